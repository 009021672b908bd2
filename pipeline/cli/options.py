"""What several commands share: flags, and the meaning of exit codes."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.exit_code import ExitCode as ExitCode

Work = Annotated[
    Path, typer.Option("--work", help="The folder that holds everything a run writes.")
]
Metadata = Annotated[
    str | None,
    typer.Option(
        envvar="MRI_METADATA",
        metavar="URL",
        help="postgresql:// or mysql://USER:PASSWORD@HOST:PORT/DATABASE; default: SQLite in "
        "--work.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Reason = Annotated[str, typer.Option(help="Why; kept with the model.")]
