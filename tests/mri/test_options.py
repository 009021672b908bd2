"""Sets of flags, as typer reads them."""

from dataclasses import dataclass
from inspect import unwrap
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from typer.testing import CliRunner

from mri.options import spread


@dataclass(frozen=True)
class Place:
    """Where something is."""

    host: Annotated[str, typer.Option(help="Its name.")] = "here"
    port: int = 7


def _show(console: Console, name: str, place: Place, where: Path = Path("work")) -> None:
    """Shows what it got."""
    console.print(name, place.host, place.port, where)


def _app(command) -> typer.Typer:
    app = typer.Typer(add_completion=False)
    app.command()(command)
    return app


def test_a_set_becomes_its_flags_and_the_command_gets_the_set(capfd):
    app = _app(spread(_show))
    result = CliRunner().invoke(app, ["a name", "--port", "9"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert capfd.readouterr().out == "a name here 9 work\n"
    said = CliRunner().invoke(app, ["--help"]).output
    for words in ("--host", "Its name.", "--port", "--where", "[default: 7]"):
        assert words in said
    assert "console" not in said


def test_the_command_itself_can_be_had_back():
    assert unwrap(spread(_show)) is _show
