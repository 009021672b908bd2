import io
import logging

from rich.console import Console

from pipeline import progress
from pipeline.progress import NodeProgress


def test_a_line_of_a_log_is_not_broken(monkeypatch):
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", -1.0)
    log = io.StringIO()
    with NodeProgress(Console(file=log, width=40), "[8/15] Trainer") as node:
        logging.getLogger("components.trainer").warning("fitting %s", "what takes long " * 5)
        node.finish("done", "eval accuracy 0.984 after 12 epochs, which is a long line")
    assert [line.split("  ")[0] for line in log.getvalue().splitlines()] == ["[8/15] Trainer"] * 2
