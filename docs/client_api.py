"""An mkdocs hook: the page of the client library, made from its docstrings."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import docstring_parser
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from serving import client
from serving.client import aio

PAGE = "reference/client-api.md"
SKIPPED = {"close"}
"""Public methods that the `with` block of every example stands for; the page names them once."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the page."""
    files.append(File.generated(config, PAGE, content="\n".join(_page())))
    return files


def _page() -> Iterator[str]:
    yield "# Client API"
    yield ""
    yield "What `serving.client` and `serving.client.aio` offer. [The Python client](../client.md)"
    yield "explains how to use them. A client is closed by its `with` block, or by `close()`."
    yield ""
    offered: list[tuple[ModuleType, str]] = [(client, "Client"), (aio, "AsyncClient")]
    offered += [(client, name) for name in client.__all__ if name != "Client"]
    for module, name in offered:
        yield from _entry(module, name)


def _entry(module: ModuleType, name: str) -> Iterator[str]:
    found = getattr(module, name)
    yield f"## {name}"
    yield ""
    if inspect.isclass(found):
        yield f"`from {module.__name__} import {name}`"
        yield ""
        base = vars(found.__mro__[1])
        if "__init__" not in vars(found) and "__init__" in base:
            yield from _call(base["__init__"], name)
        yield from _told(inspect.getdoc(found))
        for method, function in vars(found).items():
            if method.startswith("_") or method in SKIPPED or not inspect.isroutine(function):
                continue
            yield f"### {name}.{method}"
            yield ""
            yield from _call(function, method)
    elif inspect.isroutine(found):
        yield from _call(found, name)
    else:
        yield _alias(name)
        yield ""


def _call(function: Any, name: str) -> Iterator[str]:
    """How a function is called, and what its docstring says."""
    [node] = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    arguments = [one for one in _arguments(function, node.args) if one != "self"]
    returns = f" -> {ast.unparse(node.returns)}" if node.returns and name == node.name else ""
    before = "async " if isinstance(node, ast.AsyncFunctionDef) else ""
    yield "```python"
    if len(arguments) > 2:
        yield f"{before}{name}("
        yield from (f"    {one}," for one in arguments)
        yield f"){returns}"
    else:
        yield f"{before}{name}({', '.join(arguments)}){returns}"
    yield "```"
    yield ""
    yield from _told(inspect.getdoc(function))


def _arguments(function: Any, given: ast.arguments) -> Iterator[str]:
    """Each argument as it is written, with its type, and its default as it is."""
    defaults = inspect.signature(function).parameters
    for one in [*given.posonlyargs, *given.args, *given.kwonlyargs]:
        if one in given.kwonlyargs[:1]:
            yield "*"
        default = defaults[one.arg].default
        yield ast.unparse(one) + ("" if default is inspect.Parameter.empty else f" = {default!r}")


def _told(docstring: str | None) -> Iterator[str]:
    parsed = docstring_parser.parse(docstring or "")
    for part in (parsed.short_description, parsed.long_description):
        if part:
            yield part
            yield ""
    named = [one for one in parsed.params if one.args[0] in ("param", "attribute")]
    if named:
        yield f"| {'Argument' if named[0].args[0] == 'param' else 'Attribute'} | |"
        yield "|---|---|"
        yield from (f"| `{one.arg_name}` | {_line(one.description)} |" for one in named)
        yield ""
    if parsed.returns and parsed.returns.description:
        yield f"Returns: {_lower(_line(parsed.returns.description))}"
        yield ""
    if parsed.raises:
        yield "| Raises | if |"
        yield "|---|---|"
        yield from (f"| `{one.type_name}` | {_line(one.description)} |" for one in parsed.raises)
        yield ""


def _alias(name: str) -> str:
    """What the string below a type's other name says."""
    for path in sorted(Path(client.__file__).parent.glob("*.py")):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        for node, after in pairwise(body):
            if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == name:
                assert isinstance(after, ast.Expr)
                return _line(ast.literal_eval(after.value))
    raise AssertionError(f"{name} has no docstring")


def _line(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
