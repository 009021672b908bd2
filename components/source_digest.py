"""A digest of source code, so that cached results are used only for the code that made them.

What counts is what the code reaches: the modules that it imports, those that these import, and so
on, inside of functions too, with the page templates and tables that lie beside them.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.util import resolve_name
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_PACKAGES = ("components", "imaging", "mri", "pipeline", "samples", "schema", "serving")
_NO_DATA = (".md", ".py", ".pyc")


def source_digest(*modules: str) -> str:
    """Digests all of our source that some modules reach.

    TFX keys its cache by an executor's class path and properties, not by what the code says. A
    component that passes this digest as a property runs again when its code has changed.

    Args:
        *modules: Where the code begins: the executor's module, and what it runs without importing
            it, such as a program.

    Returns:
        The first 16 hexadecimal digits of a sha256 over the files' names and bytes.
    """
    digest = hashlib.sha256()
    for file in source_files(*modules):
        digest.update(f"{file.relative_to(_ROOT).as_posix()}\0{file.stat().st_size}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def source_files(*modules: str) -> list[Path]:
    """The files of our source that some modules reach.

    Args:
        *modules: As in `source_digest`.

    Returns:
        Sorted paths.

    Raises:
        ValueError: There is no such module.
    """
    if unknown := [module for module in modules if _file(module) is None]:
        raise ValueError(f"no modules of ours: {', '.join(unknown)}")
    reached: set[str] = set()
    unseen = list(modules)
    while unseen:
        module = unseen.pop()
        if module not in reached and _file(module) is not None:
            reached.add(module)
            unseen += _imports(module)
    # Python runs the packages above a module; data are of those that are named.
    packages = {above for module in reached for above in _above(module)} - reached
    files = {file for module in reached | packages if (file := _file(module))}
    folders = {file.parent for module in reached if (file := _file(module))}
    return sorted(files.union(*map(_data, folders)))


@cache
def _file(module: str) -> Path | None:
    """Where the code of a module of ours is."""
    path = _ROOT.joinpath(*module.split("."))
    if module.partition(".")[0] not in _PACKAGES:
        return None
    for file in (path / "__init__.py", path.with_suffix(".py")):
        if file.is_file():
            return file
    return None


def _data(folder: Path) -> list[Path]:
    return [
        file
        for file in folder.iterdir()
        if file.is_file() and file.suffix not in _NO_DATA and not file.name.startswith(".")
    ]


@cache
def _imports(module: str) -> tuple[str, ...]:
    """What a module imports by name: modules, and what may be one or only something in one."""
    file = _file(module)
    if file is None:
        return ()
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    return tuple(_imported(ast.parse(file.read_bytes()), package))


def _imported(tree: ast.Module, package: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            name = "." * node.level + (node.module or "")
            name = resolve_name(name, package) if node.level else name
            yield name
            yield from (f"{name}.{alias.name}" for alias in node.names)


def _above(module: str) -> Iterator[str]:
    while module := module.rpartition(".")[0]:
        yield module
