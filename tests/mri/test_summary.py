import io
from pathlib import Path

from ml_metadata.proto import metadata_store_pb2 as pb
from rich.console import Console

from components.push.pushed import PUSHED_DESTINATION
from components.serve_check.verdict import ServeVerdict
from mri.summary import Summary
from pipeline.launch import NodeResult
from pipeline.local_runner import RunResult


def test_brackets_of_paths_and_reasons_are_printed_as_they_are(tmp_path):
    ServeVerdict(reasons=("no [answer] in /tmp/[/x]",), server="embedded").write(tmp_path)
    pushed = pb.Artifact()
    pushed.custom_properties[PUSHED_DESTINATION].string_value = "/models [old]/7"
    nodes = (
        NodeResult("ServeCheck", "done", 1.0, {"blessing": [pb.Artifact(uri=str(tmp_path))]}),
        NodeResult("Pusher", "done", 1.0, {"pushed_model": [pushed]}),
    )
    summary = Summary(RunResult("run", nodes, 1.0), Path("/work [2026]/log.txt"))
    said = io.StringIO()
    summary.print(Console(file=said, width=200))
    for words in ("no [answer] in /tmp/[/x]", "/models [old]/7", "/work [2026]/log.txt"):
        assert words in said.getvalue()
