"""One node's line on the terminal: what it is doing, then what came out."""

import logging
import time
from types import TracebackType

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

_SECONDS_BETWEEN_LINES = 30.0
"""How often a line is printed where the terminal cannot be redrawn, as in a log."""


class NodeProgress(logging.Handler):
    """Shows a running node with the last line that one of our components logged.

    A component that takes long says how far it is through its logger; nothing else connects it to
    the terminal.
    """

    def __init__(self, console: Console, title: str) -> None:
        """Prepares the line.

        Args:
            console: Where to.
            title: Number and name of the node.
        """
        super().__init__(logging.INFO)
        self._console = console
        self._title = title
        self._message = ""
        self._ending: Text | None = None
        self._started = self._printed = time.monotonic()
        self._spinner = Spinner("dots")
        self._live = Live(self, console=console, transient=True, refresh_per_second=4)

    def emit(self, record: logging.LogRecord) -> None:
        """Takes over a component's message."""
        self._message = record.getMessage()
        now = time.monotonic()
        if not self._console.is_terminal and now - self._printed > _SECONDS_BETWEEN_LINES:
            self._printed = now
            self._console.print(f"{self._title}  {self._message}", markup=False, soft_wrap=True)

    def finish(self, state: str, outcome: str) -> None:
        """Sets the line that stays.

        Args:
            state: `done`, `cached` or `reused`.
            outcome: What came out.
        """
        seconds = time.monotonic() - self._started
        self._ending = Text.assemble(
            (f"{self._title:<24} ", "bold"),
            (f"{seconds:7.1f} s  ", "dim"),
            (f"{state:<6} ", "green" if state == "done" else "cyan"),
            outcome,
        )

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The line while the node runs."""
        seconds = time.monotonic() - self._started
        self._spinner.text = Text.assemble(
            (f"{self._title:<22} ", "bold"), (f"{seconds:7.1f} s  ", "dim"), self._message
        )
        yield self._spinner

    def __enter__(self) -> "NodeProgress":
        """Starts to show the node."""
        logging.getLogger("components").addHandler(self)
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leaves the last line standing."""
        if self._console.is_terminal:
            self._live.stop()
        logging.getLogger("components").removeHandler(self)
        if error is not None:
            self.finish("failed" if isinstance(error, Exception) else "stopped", "")
        if self._ending is not None:
            self._console.print(self._ending, soft_wrap=True)
