"""What joins a model when it is pushed: its version, test figures, card and report."""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

from components.evaluate.report.card import Decision, ModelCard
from components.evaluate.report.files import PAGE_FILE
from components.servable import EXTRAS, METADATA_FILE, REPORT_FILE
from components.signature import Signer

_ORIGIN = "origin"


def decided_now(decision: str, reason: str, report: str, version: str | None) -> Decision:
    """A decision that was just taken.

    Args:
        decision: What was decided, such as `approved`.
        reason: Why.
        report: Digest of the report that it was decided from.
        version: What the model is served as, if it is.

    Returns:
        The decision with the time, UTC.
    """
    now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
    return Decision(decision=decision, time=now, reason=reason, report=report, version=version)


@dataclass(frozen=True)
class Origin:
    """Which model a version is, and what made it a version.

    Attributes:
        model: The Model artifact's id.
        execution: Pusher's execution; 0 where it was a person's decision, which says so itself.
        made: When the model was made, milliseconds since 1970; 0 where that was not written.
    """

    model: int
    execution: int = 0
    made: int = 0


def origin_of(version: Path) -> Origin | None:
    """Reads which model a version is.

    Args:
        version: The version's folder.

    Returns:
        Its origin; None where it does not say.
    """
    try:
        metadata = json.loads((version / EXTRAS / METADATA_FILE).read_bytes())
        return Origin(**metadata[_ORIGIN])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def add_extras(card: ModelCard, report: Path, origin: Origin) -> Callable[[Path], None]:
    """Says how a copy of a SavedModel is completed.

    Args:
        card: The model's card, the decision to push it already in it.
        report: The folder of the report that it was decided from.
        origin: Which model it is, and what pushes it.

    Returns:
        A function of the copy's folder. It writes the card and the report's page, and into
        `metadata.json` the version, its origin, the data's fingerprint, the split policy and the
        test figures; where the environment names a key, it signs the copy at the end.
    """

    def complete(copy: Path) -> None:
        folder = copy / EXTRAS
        folder.mkdir(exist_ok=True)
        file = folder / METADATA_FILE
        metadata = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        metadata |= {
            "version": card.version,
            _ORIGIN: asdict(origin),
            "data_fingerprint": card.lineage.data_fingerprint,
            "split_policy": card.lineage.policy,
            "figures": {
                name: figure.model_dump(include={"value", "low", "high", "images"})
                for name, figure in card.figures.items()
            },
        }
        file.write_text(json.dumps(metadata, indent=2) + "\n", encoding="utf-8")
        card.write(folder)
        shutil.copyfile(report / PAGE_FILE, folder / REPORT_FILE)
        if (signer := Signer.from_environment()) is not None:
            signer.sign(copy)  # last: all files are signed

    return complete
