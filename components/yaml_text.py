"""Reads YAML that people write, and says in words what is wrong with it and on which line."""

from pathlib import Path
from typing import Any

import yaml


class YamlTextError(ValueError):
    """Text that cannot be used.

    The message follows a name, as in `mine.yaml, line 3: a bracket is not closed.`
    """


class _Loader(yaml.SafeLoader):
    """Refuses a key that is given twice, of which YAML would take the last in silence."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    raise yaml.MarkedYAMLError(
                        problem=f"the key {key.value!r} is given twice", problem_mark=key.start_mark
                    )
                seen.add((key.tag, key.value))
        found: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return found

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep=deep)
        except ValueError as error:  # a date that no calendar has, a number of 10,000 digits
            raise yaml.MarkedYAMLError(
                problem=f"{str(node.value)[:40]!r} cannot be read as a value: if it is text, put "
                "it in quotation marks",
                problem_mark=node.start_mark,
            ) from error


_WORDS = {
    "while scanning a quoted scalar": "a quotation mark is not closed",
    "while scanning a double-quoted scalar": "a backslash before a character that needs none: use "
    "single quotation marks",
    "found character '\\t'": "indent with spaces, not with tabs",
    "found character": "a value begins with a character that YAML reserves: put the value in "
    "quotation marks",
    "mapping values are not allowed": "a colon in a value: put the value in quotation marks",
    "could not find expected ':'": "a key without a colon behind it",
    "found unhashable key": "a key must be text",
    "could not determine a constructor": "values with a tag (!) are not read",
    "but found another document": "it holds several documents (---) where one is read",
    "found duplicate anchor": "an anchor (&) is defined twice",
    "found incompatible YAML document": "it is of another version than YAML 1",
    "'<stream end>'": "a bracket is not closed",
    "expected ',' or": "a comma or a closing bracket is missing",
    "but found ']'": "a bracket is closed that was not opened",
    "but found '}'": "a bracket is closed that was not opened",
    "but found '<scalar>'": "text behind a value that is complete: put all of it in quotation "
    "marks",
    "expected <block end>": "the indentation differs from that of the lines above",
}
"""By what YAML's reader says, the more particular first."""

_WHERE_IT_BEGAN = (
    "while scanning a quoted scalar",
    "while scanning a simple key",
    "while parsing a flow",
)
"""Contexts whose first line is the line to look at."""

_KINDS = {list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}


def parse_yaml(text: str) -> Any:
    """Reads a value.

    Args:
        text: The YAML.

    Returns:
        The value.

    Raises:
        YamlTextError: It is not YAML, or gives a key twice; the message begins with ` is not valid
            YAML` or with the line.
    """
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        began = (error.context or "").startswith(_WHERE_IT_BEGAN) and error.context_mark
        mark = began or error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}" if mark else ""
        raise YamlTextError(f"{where}: {_words(error)}.") from error
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise YamlTextError(f", line {line}: it holds a character that is not text.") from error
    except RecursionError as error:
        raise YamlTextError(": it is nested too deeply.") from error


def read_mapping_of(path: Path) -> dict[str, Any]:
    """Reads keys and values from a file.

    Args:
        path: The file; an empty one has none.

    Returns:
        The values by key.

    Raises:
        YamlTextError: It cannot be read, or holds something else.
    """
    content = b""
    try:
        content = path.read_bytes()
        fields = parse_yaml(content.decode("utf-8-sig"))
    except IsADirectoryError as error:
        raise YamlTextError(" cannot be read: it is a folder.") from error
    except OSError as error:
        reason = error.strerror or "unknown"
        raise YamlTextError(f" cannot be read ({reason}).") from error
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise YamlTextError(f", line {line}: it is not text in UTF-8.") from error
    if not isinstance(fields, dict | None):
        kind = _KINDS.get(type(fields), "something else")
        raise YamlTextError(
            f" must be a mapping of keys to values, as in name: value; it is {kind}."
        )
    return fields or {}


def _words(error: yaml.MarkedYAMLError) -> str:
    said = f"{error.context or ''} {error.problem or ''}"
    if "undefined alias" in said:
        return f"it refers to a name that it does not define (*{said.split(chr(39))[1]})"
    own = error.problem or ""
    if own.startswith("the key") or "cannot be read as" in own:
        return own
    return next((words for start, words in _WORDS.items() if start in said), "it is not valid YAML")
