"""Asks the served model about a study's series."""

import hashlib
import io
import logging
import threading
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

import PIL.Image

from components.errors import PipelineError
from components.evaluate.report.card import CARD_JSON
from components.servable import EXTRAS
from serving.client import (
    Client,
    EncodedImage,
    ImageError,
    NoVersionError,
    Prediction,
    ServingError,
    inside,
    open_frames,
    pool,
)
from serving.pacs.answer import (
    KeySlice,
    ModelFacts,
    PassedOver,
    SeriesAnswer,
    SliceRecord,
    StudyAnswer,
)
from serving.pacs.config import ModelServerConfig, RuleConfig
from serving.pacs.headers import ImageHeader, read_header
from serving.pacs.rules import Choice, choose
from serving.pacs.spool import write_whole

log = logging.getLogger(__name__)

_LONGEST_SIDE = 4096
_OF_THE_IMAGE = "INVALID_ARGUMENT"
_UNEXPLAINED = (_OF_THE_IMAGE, "NOT_FOUND", "UNIMPLEMENTED", "UNKNOWN")
"""What a model without the signature `explain` answers."""


class NotNowError(Exception):
    """The model server gives no answer; it may do so later."""


class NoModelError(NotNowError):
    """The model server serves no version, or is not there: that is so for every study."""


class StoppedError(Exception):
    """The node stops; nothing came of it."""


class UnfitError(Exception):
    """The study cannot be read, now or later; the message names nothing of the patient."""


class SkippedError(Exception):
    """No series of the study fits the rules."""


class Reader:
    """Reads studies with one model server."""

    def __init__(
        self, config: ModelServerConfig, rules: Sequence[RuleConfig], stopping: threading.Event
    ) -> None:
        """Prepares the connection; nothing is asked yet.

        Args:
            config: Which server and model.
            rules: Which series are read.
            stopping: No further series is read once it is set.

        Raises:
            PipelineError: The address is of another form, or the folder cannot be the model's.
        """
        self._config, self._rules, self._stopping = config, rules, stopping
        _check_folder(config.folder)
        self._client = Client(
            config.server, model=config.name, timeout=config.timeout, batch_size=config.batch_size,
            attempts=2,
        )  # fmt: skip

    def close(self) -> None:
        """Ends the connection."""
        self._client.close()

    def read(self, images: Sequence[Path], folder: Path) -> StudyAnswer:
        """Reads a study; one version of the model answers for all of it.

        Args:
            images: Its files.
            folder: Where the pictures of key slices go.

        Returns:
            The answer.

        Raises:
            NotNowError: The model server gives none, or the machine fails.
            OSError: A file cannot be read.
            StoppedError: The node stops.
            UnfitError: The study cannot be read.
            SkippedError: There is nothing to read in it.
        """
        files = [(read_header(path), path) for path in images]
        if len({header.patient for header, _ in files}) > 1:
            raise UnfitError("its images are of different patients under one StudyInstanceUID")
        paths = {header.instance: path for header, path in files}
        choices = choose((header for header, _ in files), self._rules)
        if not any(one.taken for one in choices):
            raise SkippedError("; ".join(dict.fromkeys(one.reason for one in choices)))
        facts, client = self._model()
        passed = [PassedOver(uid=one.uid, reason=one.reason) for one in choices if not one.taken]
        series = []
        for number, choice in enumerate(one for one in choices if one.taken):
            if self._stopping.is_set():
                raise StoppedError
            answer = _read_series(client, choice, paths)
            if answer is None:
                passed.append(PassedOver(uid=choice.uid, reason="no slice of it could be judged"))
                continue
            shown = self._key_slices(client, answer, paths, folder, number)
            series.append(answer.model_copy(update={"key_slices": shown}))
        if not series:
            raise UnfitError("no slice of it could be judged")
        now = datetime.now(timezone.utc).strftime("%Y%m%d%H%M%S")
        return StudyAnswer(time=now, model=facts, series=tuple(series), passed_over=tuple(passed))

    def _model(self) -> tuple[ModelFacts, Client]:
        """The newest version that is served, and a client that asks it alone."""
        try:
            versions = [one for one in self._client.status() if one.state == "AVAILABLE"]
        except ServingError as error:
            raise NoModelError(f"the model server answers {error.code}") from error
        if not versions:
            raise NoModelError("the model server serves no version")
        version = max(one.version for one in versions)
        card = ""
        if self._config.folder is not None:
            file = self._config.folder / str(version) / EXTRAS / CARD_JSON
            card = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""
        facts = ModelFacts(name=self._config.name, version=str(version), card=card)
        return facts, self._client.of_version(version)

    def _key_slices(
        self, client: Client, answer: SeriesAnswer, paths: dict[str, Path], folder: Path,
        number: int,
    ) -> tuple[KeySlice, ...]:  # fmt: skip
        """Shows the slices that speak most for a finding, or for the answer."""
        healthy = self._config.healthy_class

        def weight(one: SliceRecord) -> float:
            found = one.probabilities or {}
            if healthy in found:
                return 1.0 - found[healthy]
            return found.get(answer.label, 0.0)

        judged = [one for one in answer.slices if one.counts and one.probabilities]
        chosen = sorted(judged, key=weight, reverse=True)[: self._config.key_slices]
        shown = []
        for place, one in enumerate(chosen):
            [picture] = open_frames(paths[one.instance], one.frame)
            if isinstance(picture, ImageError):
                continue
            try:
                overlay = client.explain(picture).overlay
            except ServingError as error:
                gone = isinstance(error, NoVersionError)  # the version was unloaded meanwhile
                if error.code in _UNEXPLAINED and not gone:
                    break  # a model that explains nothing
                raise NotNowError(f"the model server answers {error.code}") from error
            if not _is_picture(overlay):
                continue
            name = f"key-{number}-{place}.png"
            write_whole(folder / name, overlay)
            shown.append(
                KeySlice(
                    instance=one.instance, frame=one.frame, frames=one.frames, overlay=name
                )
            )  # fmt: skip
        return tuple(shown)


def _read_series(client: Client, choice: Choice, paths: dict[str, Path]) -> SeriesAnswer | None:
    slices = [one for header in choice.headers for one in _frames(header, paths[header.instance])]
    pictures = [picture for _, picture in slices if picture is not None]
    told = iter(client.predict_batch(pictures) if pictures else [])
    answers = [about if picture is None else _told(about, next(told)) for about, picture in slices]
    judged = [one for one in answers if one.label is not None]
    heads = [one.head for one in judged]
    pooled = pool(judged, heads)
    if pooled is None:
        return None
    counted = {
        (one.instance, one.frame)
        for one, counts in zip(judged, inside(heads), strict=True)
        if counts
    }
    return SeriesAnswer(
        uid=choice.uid,
        label=pooled.label,
        probabilities=pooled.probabilities,
        in_distribution=pooled.in_distribution,
        refer=pooled.refer,
        reasons=pooled.reasons,
        words=pooled.words,
        slices=tuple(
            one.model_copy(update={"counts": (one.instance, one.frame) in counted})
            for one in answers
        ),
    )


def _is_picture(encoded: bytes) -> bool:
    """Whether a server's overlay can be shown."""
    try:
        with PIL.Image.open(io.BytesIO(encoded), formats=["PNG", "JPEG"]) as image:
            if max(image.size) > _LONGEST_SIDE:
                return False
            image.load()
    except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError):
        return False
    return True


def _frames(header: ImageHeader, path: Path) -> list[tuple[SliceRecord, EncodedImage | None]]:
    """An image's pictures; in the place of one that cannot be read, why."""
    about = SliceRecord(instance=header.instance, frames=header.frames)
    found: list[tuple[SliceRecord, EncodedImage | None]] = []
    try:
        for one in open_frames(path):
            if isinstance(one, ImageError):
                _check_lasting(one)
                frame = one.frame or 0
                found.append((about.model_copy(update={"frame": frame, "error": str(one)}), None))
                continue
            said = {"frame": one.frame, "head": one.head}
            found.append((about.model_copy(update=said), one))
    except ImageError as error:
        _check_lasting(error)
        found.append((about.model_copy(update={"error": str(error)}), None))
    return found


def _check_folder(folder: Path | None) -> None:
    """Lets a folder pass that is there, or may be once the first version is pushed."""
    if folder is None or folder.is_dir():
        return
    if folder.exists() or not folder.parent.is_dir():
        raise PipelineError(
            f"model.folder: {folder} is not a folder: name the one that holds the model's "
            "versions, or leave the setting out."
        )
    log.warning("model.folder %s is not there yet; until it is, answers name no card", folder)


def _check_lasting(error: ImageError) -> None:
    """Lets through what is wrong with an image, and not that it could not be read now."""
    if error.temporary:
        raise NotNowError("an image could not be read now")


def _told(about: SliceRecord, answer: Prediction | ImageError | ServingError) -> SliceRecord:
    if isinstance(answer, Prediction):
        said = {
            "label": answer.label,
            "probabilities": answer.probabilities,
            "in_distribution": answer.in_distribution,
            "refer": answer.refer,
            "reasons": answer.reasons,
        }
        return about.model_copy(update=said)
    if isinstance(answer, ServingError) and (
        answer.code != _OF_THE_IMAGE or isinstance(answer, NoVersionError)
    ):
        raise NotNowError(f"the model server answers {answer.code}")
    return about.model_copy(update={"error": "the model cannot judge it"})
