"""Ingest as the launcher runs it: what is answered from cache, and what is tried again."""

import errno
import os
import runpy
import shutil
import tempfile
from pathlib import Path

import pytest
from tfx.orchestration.pipeline import Pipeline
from tfx.utils import dependency_utils

from components.errors import PipelineError
from components.ingest.component import Ingest
from components.ingest.config import IngestConfig
from components.ingest.report import IngestReport
from pipeline.database import connection_config
from pipeline.engines import LOCAL_BEAM
from pipeline.launch import NodeResult, compile_pipeline, launch_node, set_run_id
from pipeline.work import Work

pytestmark = [
    pytest.mark.long,
    # TFX's, of protobuf, as it puts in a run's id.
    pytest.mark.filterwarnings("ignore:label:DeprecationWarning"),
]

BEAM = LOCAL_BEAM


@pytest.fixture
def launch(tmp_path):
    """Runs the node on a folder in one work folder, a run after the other."""
    work = Work(tmp_path / "work")
    work.root.mkdir()
    runs = iter(range(100))

    def run(data: Path, beam=BEAM) -> tuple[str, IngestReport]:
        config = IngestConfig(classes=("glioma", "notumor"))
        node = Ingest(input_base=str(data), config=config, cache=work.cache)
        graph = Pipeline(
            "ingest", str(work.artifacts), components=[node], enable_cache=True,
            beam_pipeline_args=list(beam),
        )  # fmt: skip
        ir = compile_pipeline(graph)
        set_run_id(ir, f"run {next(runs)}")
        result: NodeResult = launch_node(ir, "Ingest", connection_config(None, work))
        return result.state, IngestReport.read(Path(result.outputs["report"][0].uri))

    return run


@pytest.fixture
def refusing(monkeypatch):
    """Lets a file refuse to be opened."""
    real = os.open

    def install(name: str, number: int) -> None:
        def open_or_fail(path, *how, **more):
            if str(path).endswith(name):
                raise OSError(number, os.strerror(number), path)
            return real(path, *how, **more)

        monkeypatch.setattr("imaging.reader.os.open", open_or_fail)

    yield install
    monkeypatch.undo()


def test_a_copy_is_answered_from_cache_and_a_changed_byte_is_not(launch, make_folder, tmp_path):
    data = make_folder(train=20, test=4)
    assert launch(data)[0] == "done"
    copy = tmp_path / "elsewhere" / "copy"
    shutil.copytree(data, copy, copy_function=shutil.copyfile)
    link = tmp_path / "link"
    link.symlink_to(copy, target_is_directory=True)
    several = ("--runner=FnApiRunner", "--direct_running_mode=multi_threading")
    assert [launch(data)[0], launch(copy)[0], launch(link, several)[0]] == ["cached"] * 3

    image = copy / "Training" / "glioma" / "000.png"
    image.write_bytes(image.read_bytes()[:-1] + b"x")
    state, report = launch(copy)
    assert (state, report.rejected) == ("done", 1)
    assert report.history == 47, "the others stay where they were"
    assert launch(data)[0] == launch(copy)[0] == "cached"


def test_what_failed_for_a_moment_is_tried_again(launch, make_folder, refusing, monkeypatch):
    data = make_folder(train=20, test=4)
    refusing("Training/glioma/000.png", errno.EMFILE)
    with pytest.raises(PipelineError, match="Too many open files.*run again"):
        launch(data)
    monkeypatch.undo()
    state, report = launch(data)
    assert (state, report.ingested, report.rejected) == ("done", 48, 0)


def test_a_file_that_may_be_read_by_now_is_ingested(launch, make_folder, refusing, monkeypatch):
    data = make_folder(train=20, test=4)
    refusing("Training/glioma/000.png", errno.EACCES)
    state, report = launch(data)
    assert (state, report.reasons) == ("done", {"cannot be read: Permission denied": 1})
    assert launch(data)[0] == "cached"
    monkeypatch.undo()
    state, report = launch(data)
    assert (state, report.ingested, report.rejected) == ("done", 48, 0)


def test_nothing_is_packed_for_the_workers(launch, make_folder, tmp_path, monkeypatch):
    packing = "make_beam_dependency_flags"
    as_installed = runpy.run_path(dependency_utils.__file__)[packing]
    monkeypatch.setattr(dependency_utils, packing, as_installed)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    assert launch(make_folder(train=20, test=4))[0] == "done"
    assert not list(temporary.iterdir()), "TFX as a source archive is 51 MB a node"
