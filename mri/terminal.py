"""What a person sees, kept apart from what libraries print.

TensorFlow, TFX and Beam write to the process' own standard output and error, from Python and from
C++. While a run is on, both go to a log file, and the terminal belongs to the `mri` command.
"""

import logging
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from pipeline.paths import harmless


class PlainConsole(Console):
    """A console that prints text as it is: no emoji, and nothing that the terminal would obey.

    Names of files, folders and classes come from whoever made the data.
    """

    def __init__(self, file: IO[str] | None = None) -> None:
        """Prints to a file, or to standard output."""
        super().__init__(file=file, highlight=False, emoji=False)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Makes what is shown of something, as Console does."""
        for one in super().render(renderable, options):
            yield one if one.control else Segment(harmless(one.text), one.style)


@contextmanager
def libraries_to(log_file: Path = Path(os.devnull)) -> Iterator[Console]:
    """Sends everything that libraries print to a file.

    Args:
        log_file: Appended to; by default all of it is lost.

    Yields:
        A console on the real standard output.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    before = root.handlers[:], root.level
    with log_file.open("ab", buffering=0) as log, os.fdopen(os.dup(1), "w") as terminal:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        root.handlers, root.level = [handler], logging.INFO
        try:
            yield PlainConsole(terminal)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for stream, descriptor in enumerate(saved, start=1):
                os.dup2(descriptor, stream)
                os.close(descriptor)
            root.handlers, root.level = before
