"""A page and its table, written whole; and what is told meanwhile."""

import errno
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.status import Status
from rich.text import Text

from components.errors import path_error
from components.whole_file import whole_file


def demand_writable(html: Path) -> None:
    """Finds out whether a page can be written before the work is done.

    Args:
        html: The page.

    Raises:
        PipelineError: It cannot.
    """
    with _named(html):
        if html.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        with tempfile.NamedTemporaryFile(dir=html.parent, prefix=f".{html.name}"):
            pass


def write_page(html: Path, table: str, page: str) -> None:
    """Writes a page, and the table beside it first.

    Args:
        html: The page; the table has the same name with another suffix.
        table: CSV.
        page: HTML.

    Raises:
        PipelineError: One of them cannot be written; it is left as it was.
    """
    with _named(html):
        for path, content in ((html.with_suffix(".csv"), table), (html, page)):
            with whole_file(path) as file:
                file.write_text(content, encoding="utf-8")


@contextmanager
def _named(html: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise path_error(error)(
            f"The page {html} cannot be written ({error.strerror}): name another file with --html."
        ) from error


class _StatusHandler(logging.Handler):
    """Shows what is logged, the last line alone."""

    def __init__(self, status: Status) -> None:
        super().__init__(logging.INFO)
        self._status = status

    def emit(self, record: logging.LogRecord) -> None:
        self._status.update(Text(record.getMessage()))


@contextmanager
def telling(console: Console) -> Iterator[None]:
    """Shows the last line that a component logged, while it works, if there is a terminal.

    Args:
        console: The terminal.
    """
    with console.status("listing the files") as status:
        handler = _StatusHandler(status)
        logger = logging.getLogger("components")
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)
