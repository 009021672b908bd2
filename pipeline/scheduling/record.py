"""What a scheduler remembers, in files that are only ever whole."""

from pathlib import Path
from typing import Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, ValidationError

from components.errors import PipelineError
from components.whole_file import whole_file

State = Literal["running", "done", "stopped by the gate", "not blessed", "failed"]


class ScheduleRecord(BaseModel):
    """What `mri schedule` remembers.

    Attributes:
        cron: The expression that it was for.
        last: The time up to which everything that was due has been seen to.
    """

    cron: str
    last: AwareDatetime


class SpanRecord(BaseModel):
    """What became of a span.

    Attributes:
        state: How its run ended; `running` until then, and after a kill.
        tries: Runs of it that failed.
        log: The last run's log.
    """

    state: State
    tries: int = 0
    log: str = ""


class WatchRecord(BaseModel):
    """What `mri watch` remembers of a folder.

    Attributes:
        folder: The folder.
        spans: What became of each span, by number.
    """

    folder: str
    spans: dict[int, SpanRecord] = {}


Record = TypeVar("Record", ScheduleRecord, WatchRecord)


def read_record(path: Path, kind: type[Record]) -> Record | None:
    """Reads a record.

    Raises:
        PipelineError: The file is there and cannot be used.
    """
    try:
        return kind.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise PipelineError(
            f"{path} cannot be read as a record of earlier runs: restore it, or remove it to "
            "start without one."
        ) from error


def write_record(path: Path, record: BaseModel) -> None:
    """Writes a record under another name first.

    Raises:
        PipelineError: It cannot be written; what was there before is left as it was.
    """
    try:
        with whole_file(path) as unfinished:
            unfinished.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise PipelineError(
            f"{path} cannot be written ({error.strerror}): free some space or correct its "
            "permissions, then start this command again; a run that is not recorded is repeated."
        ) from error
