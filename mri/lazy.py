"""Groups of commands whose modules are imported when one of them is asked for."""

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup

from components.errors import PipelineError
from mri.plain_help import unwrap, use_plain_types

use_plain_types()


class LazyGroup(TyperGroup):
    """Lists its commands by a table, and imports a command's module when that command is run.

    Attributes:
        package: Where a command's module is, which is called like the command and has a
            `typer.Typer` called `app`.
        table: By a command's name its line in the group's help: the first of the command's own.
    """

    package: ClassVar[str]
    table: ClassVar[Mapping[str, str]]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for name, line in self.table.items():
            self.add_command(TyperCommand(name, help=line))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Finds the command that is asked for, and loads it."""
        name, command, rest = super().resolve_command(ctx, args)
        if name is not None:
            self.load(name)
            command = self.commands[name]
        return name, command, rest

    def load(self, name: str) -> None:
        """Puts a command in the place of its line.

        Args:
            name: Its name.
        """
        try:
            app: typer.Typer = import_module(f"{self.package}.{name}").app
        except ModuleNotFoundError as error:
            raise PipelineError(
                f"mri {name} needs {error.name}, which is not installed: docs/install.md says "
                "which extra has it."
            ) from error
        # One that has no commands but those of its table is no group to typer.
        is_lazy = isinstance(app.info.cls, type)
        command = typer.main.get_group(app) if is_lazy else typer.main.get_command(app)
        refuse_empty(command)
        unwrap(command)
        self.add_command(command, name)
        command.name = name

    def load_all(self) -> None:
        """Puts all commands, and those of groups among them, in the place of their lines."""
        for name in self.table:
            self.load(name)
            if isinstance(command := self.commands[name], LazyGroup):
                command.load_all()


def refuse_empty(command: Any) -> None:
    """Has a command refuse each argument and each flag of its own that is given no text.

    `--data "$UNSET"` would otherwise read the current folder.

    Args:
        command: The command; of a group, its commands too.
    """
    for parameter in command.params:
        # What was written, before a path is made of it: the current folder, of an empty text.
        parameter.process_value = partial(_process, parameter, parameter.process_value)
    for one in getattr(command, "commands", {}).values():
        refuse_empty(one)


def _process(
    parameter: Any, process: Callable[..., Any], context: typer.Context, value: Any
) -> Any:
    source = context.get_parameter_source(parameter.name)
    is_given = source is not None and source.name == "COMMANDLINE"
    values = value if isinstance(value, list | tuple) else [value]
    if is_given and any(isinstance(one, str) and not one.strip() for one in values):
        raise typer.BadParameter("it is empty.", context, parameter)
    return process(context, value)
