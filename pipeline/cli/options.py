"""What several commands share: flags, and the meaning of exit codes."""

from enum import IntEnum
from pathlib import Path
from typing import Annotated

import typer

Work = Annotated[
    Path, typer.Option("--work", help="The folder that holds everything a run writes.")
]
Metadata = Annotated[
    str | None,
    typer.Option(
        envvar="MRI_METADATA",
        metavar="URL",
        help="postgresql://USER:PASSWORD@HOST:PORT/DATABASE; default: SQLite in --work.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Reason = Annotated[str, typer.Option(help="Why; kept with the model.")]


class ExitCode(IntEnum):
    """What the command's exit code means."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    STOPPED_BY_GATE = 3
    NOT_BLESSED = 4
    DRIFT = 5
