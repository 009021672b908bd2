"""What a help page shows: types in words, not Python's, and paragraphs that fit the terminal."""

from collections.abc import Callable
from typing import Any

from typer.core import TyperArgument, TyperOption

_NUMBERS = (int, float)


def use_plain_types() -> None:
    """Has typer write `PATH`, `N` or `TEXT` after a flag, and nothing after a switch.

    It writes `<int range>`, `<bool>` and the like, which say nothing to a person and take the room
    of the explanations at 80 columns. It offers no setting for this.
    """
    # By name, as mypy allows no method to be replaced.
    setattr(TyperOption, "display_type_rich", _of_option(TyperOption.display_type_rich))  # noqa: B010
    setattr(TyperArgument, "display_type_rich", lambda _self, ctx: None)  # noqa: ARG005, B010


def unwrap(command: Any) -> None:
    """Joins the lines of each paragraph of a command's help, which typer breaks anew.

    Args:
        command: The command; of a group, its commands too.
    """
    if command.help:
        command.help = "\n\n".join(" ".join(one.split()) for one in command.help.split("\n\n"))
    for one in getattr(command, "commands", {}).values():
        unwrap(one)


def _of_option(original: Callable[..., str | None]) -> Callable[..., str | None]:
    def words(option: Any, ctx: Any) -> str | None:
        kind = option.type_descriptor
        if option.metavar is not None:
            return str(option.metavar)
        if option.is_flag or kind.is_ranged:  # typer writes the range behind it: [x>=0]
            return None
        if kind.is_choice:
            return (original(option, ctx) or "").strip("<>")
        if kind.is_path:
            return "PATH"
        bare = option.bare_type().removeprefix("list[").removesuffix("]")
        return "N" if bare in {one.__name__ for one in _NUMBERS} else "TEXT"

    return words
