import io
from pathlib import Path

from rich.console import Console

from components.serve_check.verdict import ServeVerdict
from mri.summary import Summary
from pipeline.local_runner import RunResult


def test_brackets_of_paths_and_reasons_are_printed_as_they_are():
    summary = Summary(
        result=RunResult("run", (), 1.0),
        verdict=None,
        serving=ServeVerdict(reasons=("no [answer] in /tmp/[/x]",), server="embedded"),
        report=None,
        waiting=False,
        withdrawn=False,
        pushed=Path("/models [old]/7"),
        log_file=Path("/work [2026]/log.txt"),
    )
    said = io.StringIO()
    summary.print(Console(file=said, width=200))
    for words in ("no [answer] in /tmp/[/x]", "/models [old]/7", "/work [2026]/log.txt"):
        assert words in said.getvalue()
