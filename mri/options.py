"""Flags that commands of all kinds share, and sets of flags."""

import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from mri.terminal import libraries_to
from pipeline.environment import METADATA_VARIABLE

WorkFolder = Annotated[
    Path, typer.Option("--work", help="The folder that holds everything a run writes.")
]
Metadata = Annotated[
    str | None,
    typer.Option(
        envvar=METADATA_VARIABLE,
        metavar="URL",
        help="Database of ML Metadata: postgresql://USER:PASS@HOST/DB or mysql://; "
        "default: SQLite in --work.",
    ),
]
Beam = Annotated[
    str,
    typer.Option(
        "--beam",
        metavar="ENGINE",
        help="Where Apache Beam's work is done: local, local?workers=2, flink://HOST:8081, "
        "spark://HOST:7077 or dataflow://PROJECT/REGION; see docs/scale.md.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """Lets typer read a command that takes sets of flags, or a console.

    Args:
        command: Of a parameter whose type is a dataclass, each field becomes a flag. A parameter
            `console` becomes none: it is the terminal, while what libraries print goes nowhere.

    Returns:
        The command as typer reads it; `inspect.unwrap` gives the other back.
    """
    own = inspect.signature(command).parameters
    sets: dict[str, Any] = {
        name: one.annotation for name, one in own.items() if is_dataclass(one.annotation)
    }

    @wraps(command)
    def called(**given: Any) -> None:
        for name, kind in sets.items():
            given[name] = kind(**{field.name: given.pop(field.name) for field in fields(kind)})
        if "console" not in own:
            command(**given)
            return
        with libraries_to() as console:
            command(console=console, **given)

    flags: list[inspect.Parameter] = []
    for name, one in own.items():
        if name != "console":
            flags += inspect.signature(sets[name]).parameters.values() if name in sets else [one]
    flags = [flag.replace(kind=inspect.Parameter.KEYWORD_ONLY) for flag in flags]
    called.__dict__["__signature__"] = inspect.Signature(flags)
    called.__annotations__ = {flag.name: flag.annotation for flag in flags}
    return called
