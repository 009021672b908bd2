"""`mri pacs`: a DICOM node beside the model server, and what is in its spool."""

import json
import logging
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from components.counted import counted
from components.disclaimer import DISCLAIMER
from components.errors import UsageError
from mri.options import AsJson, spread
from pipeline.tables import print_table
from serving.pacs.answer import StudyAnswer
from serving.pacs.config import PacsConfig
from serving.pacs.journal import Journal, State, Study
from serving.pacs.node import Node
from serving.pacs.spool import ANSWER_FILE, JOURNAL_FILE

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Receive DICOM studies, have the served model classify them, and send reports back.\n\n"
    "Decision support, not a diagnosis.",
)

ConfigFile = Annotated[Path, typer.Option("--config", help="The node's settings, a YAML file.")]
Key = Annotated[str, typer.Argument(metavar="STUDY", help="The study's key, or its beginning.")]
_CONFIG = Path("pacs.yaml")
_OF_THE_SOURCE: Any = {
    "series": {
        "__all__": {
            "uid": True,
            "slices": {"__all__": {"instance"}},
            "key_slices": {"__all__": {"instance"}},
        }
    },
    "passed_over": {"__all__": {"uid"}},
}
"""UIDs, which tell whose study it is to whoever has the archive."""


@app.command(epilog="Example:\n\n  mri pacs run --config pacs.yaml")
def run(config: ConfigFile = _CONFIG) -> None:
    """Start the node; it runs until Ctrl-C or SIGTERM, and continues where it stopped."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname).1s %(message)s")
    node = Node(PacsConfig.read(config))
    logging.getLogger(__name__).info(DISCLAIMER)
    node.run()


@app.command(epilog="Example:\n\n  mri pacs status --config pacs.yaml --json")
@spread
def status(
    console: Console,
    config: ConfigFile = _CONFIG,
    most: Annotated[
        int, typer.Option(min=1, help="Show this many studies, the newest first.")
    ] = 50,
    as_json: AsJson = False,
) -> None:
    """List the studies in the spool, and the dead letters."""
    journal, _ = _open(PacsConfig.read(config))
    studies, dead = journal.studies(), journal.dead()
    if as_json:
        found = {
            "counts": journal.counts(),
            "studies": [_plain(one) for one in studies[:most]],
            "dead_letters": [asdict(one) for one in dead],
        }
        console.file.write(json.dumps(found, indent=2) + "\n")
        return
    counts = ", ".join(f"{count} {state}" for state, count in journal.counts().items() if count)
    console.print(counts or "There are no studies in the spool.")
    if studies:
        table = Table("study", "state", "model", "changed", "why")
        for one in studies[:most]:
            table.add_row(one.key, one.state.value, one.model, _time(one.changed), Text(one.reason))
        print_table(console, table)
    if dead:
        letters = counted(len(dead), "dead letter")
        console.print(f"{letters}: `mri pacs retry STUDY` sends again what a study has.")


@app.command(epilog="Example:\n\n  mri pacs show 3f2a --config pacs.yaml")
@spread
def show(
    console: Console, study: Key, config: ConfigFile = _CONFIG, as_json: AsJson = False
) -> None:
    """Show what was read of a study and why, what the model said, and where answers went."""
    journal, spool = _open(PacsConfig.read(config))
    found = journal.find(study)
    file = spool / "studies" / found.key / ANSWER_FILE
    answer = StudyAnswer.model_validate_json(file.read_bytes()) if file.is_file() else None
    deliveries = journal.deliveries(found.key)
    if as_json:
        told = {
            **_plain(found),
            "answer": None if answer is None else answer.model_dump(exclude=_OF_THE_SOURCE),
            "deliveries": [asdict(one) for one in deliveries],
        }
        console.file.write(json.dumps(told, indent=2) + "\n")
        return

    def line(title: str, words: str) -> None:
        console.print(f"{title:<12} {words}", soft_wrap=True, markup=False)

    line("study", found.key)
    line("state", f"{found.state.value}  {found.reason}".strip())
    if answer is not None:
        line("model", f"{answer.model.name} {answer.model.version}")
        for number, series in enumerate(answer.series, start=1):
            shares = ", ".join(f"{name} {p:.3f}" for name, p in series.probabilities.items())
            line(f"series {number}", f"{series.label} ({shares}) {series.reasons}".strip())
        for one in answer.passed_over:
            line("passed over", one.reason)
    for sent in deliveries:
        line("delivery", f"{sent.destination}: {sent.state} {sent.reason}".strip())
    line("", DISCLAIMER)


@app.command(epilog="Example:\n\n  mri pacs retry 3f2a --config pacs.yaml")
@spread
def retry(
    console: Console,
    study: Annotated[
        str | None,
        typer.Argument(metavar="STUDY", help="The study's key, or its beginning."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All failed studies.")] = False,
    config: ConfigFile = _CONFIG,
) -> None:
    """Try a failed or waiting study again at once; a running node picks it up."""
    if (study is None) != every:
        raise UsageError("Give a study's key, or --all for all failed ones.")
    settings = PacsConfig.read(config)
    journal, _ = _open(settings)
    destinations = [one.name for one in settings.destinations]
    failed = [one for one in journal.studies() if one.state is State.FAILED]
    chosen = [journal.find(study)] if study is not None else failed
    for one in chosen:
        journal.retry(one.key, destinations)
        console.print(f"{one.key} is tried again.")
    if not chosen:
        console.print("No study has failed.")


def _open(settings: PacsConfig) -> tuple[Journal, Path]:
    spool = settings.spool
    if not (spool / JOURNAL_FILE).is_file():
        raise UsageError(f"The spool {spool} is not there yet: start `mri pacs run` first.")
    return Journal(spool / JOURNAL_FILE), spool


def _plain(study: Study) -> dict[str, object]:
    return {**asdict(study), "state": study.state.value}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
