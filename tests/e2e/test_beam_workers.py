"""Beam in one process and in two worker processes: the same artifacts."""

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
import tensorflow as tf
from descendants import all_end_with
from drawing import draw, encode
from evaluating import evaluate
from external_workers import POOL, worker_pool
from ingesting import ingest
from predicting import probabilities, write_predictions
from process_gates import gate
from toy_run import node_states, run

WORKERS = (
    "--runner=FnApiRunner",
    "--direct_running_mode=multi_processing",
    "--direct_num_workers=2",
)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("data")
    seed = 0
    for split, count in (("Training", 20), ("Testing", 5)):
        for label in ("glioma", "notumor"):
            (root / split / label).mkdir(parents=True)
            for index in range(count):
                seed += 1
                (root / split / label / f"{index:02}.png").write_bytes(encode(draw(seed)))
    return root


def records(work: Path, pattern: str) -> list[bytes]:
    files = sorted(str(file) for file in work.glob(f"artifacts/{pattern}/*/*") if file.is_file())
    assert files
    found = tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator()
    return in_order(map(tf.train.Example.FromString, found))


def in_order(examples: Iterable[tf.train.Example]) -> list[bytes]:
    return sorted(example.SerializeToString(deterministic=True) for example in examples)


@pytest.mark.slow
def test_worker_processes_make_the_same_artifacts(data, tmp_path):
    options = f"beam={list(WORKERS)!r}"
    several = run(data, tmp_path / "several", "--to", "Transform", "--set", options)
    assert several.returncode == 0, several.stdout + several.stderr
    assert node_states(several.stdout)["Transform"] == "done"
    one = run(data, tmp_path / "one", "--to", "Transform")
    assert one.returncode == 0, one.stdout + one.stderr
    for pattern in ("Ingest/examples/*", "Transform/transformed_examples/*"):
        assert records(tmp_path / "several", pattern) == records(tmp_path / "one", pattern)
    logs = {work: next((tmp_path / work).glob("runs/*/log.txt")) for work in ("several", "one")}
    assert "sdk_worker_main" in logs["several"].read_text()
    assert "sdk_worker_main" not in logs["one"].read_text()


@pytest.mark.slow
def test_worker_processes_judge_alike(tmp_path):
    import numpy as np

    labels = np.arange(120) % 4
    folder = write_predictions(tmp_path / "predictions", labels, probabilities(labels, 0.85))
    one, _ = evaluate(folder, tmp_path / "one")
    several, _ = evaluate(folder, tmp_path / "several", beam=WORKERS)
    assert several.figures == pytest.approx(one.figures)


def test_a_worker_pool_makes_the_same_examples(data, tmp_path, monkeypatch):
    one = ingest(data, tmp_path / "one")
    with worker_pool(tmp_path) as address:
        monkeypatch.setenv(POOL, address)
        runner = "--runner=external_workers.ExternalWorkersRunner"
        external = ingest(data, tmp_path / "external", beam=[runner])
    assert set(one.examples) == {"train", "eval", "test"}
    for split, examples in one.examples.items():
        assert in_order(external.examples[split]) == in_order(examples)
    assert external.splits == one.splits


def test_a_mistyped_option_is_answered_in_words(data, tmp_path):
    result = run(data, tmp_path / "work", "--set", "beam=['--direct_running_mode=fast']")
    assert result.returncode == 2
    assert "invalid choice: 'fast'" in result.stderr
    assert "Traceback" not in result.stderr


_HELD = """
import sys
from pathlib import Path
import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

def hold(folder):
    (Path(folder) / "reached").write_text("held")
    (Path(folder) / "gate").read_bytes()

if __name__ == "__main__":
    with beam.Pipeline(options=PipelineOptions(sys.argv[2:])) as pipeline:
        pipeline | beam.Create([sys.argv[1]]) | beam.Reshuffle() | beam.Map(hold)
"""


def test_worker_processes_end_with_a_process_that_is_killed(tmp_path):
    os.mkfifo(tmp_path / "reached")
    program = tmp_path / "program.py"
    program.write_text(_HELD)
    with gate(tmp_path / "gate"):
        command = [sys.executable, str(program), str(tmp_path), *WORKERS]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            assert (tmp_path / "reached").read_text() == "held"
            with all_end_with(process.pid, "sdk_worker_main"):
                process.kill()
                process.wait()
