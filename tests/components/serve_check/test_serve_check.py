import io
import json
import os
from concurrent.futures import Future
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from artifacts import artifact
from drawing import draw, encode
from fake_server import running, says
from PIL import Image
from small_model import save
from tfx.types import artifact_utils, standard_artifacts

from components.errors import PipelineError
from components.push.executor import AtomicPushExecutor
from components.serve_check import component as serve_check
from components.serve_check.component import ServeCheck
from components.serve_check.config import ServeCheckConfig
from components.serve_check.requests import read_questions
from components.serve_check.servers import start_server
from components.serve_check.verdict import ServeVerdict
from components.serve_check.wire import Endpoints, RefusedError, RestWire, UndecidedError

pytestmark = pytest.mark.long


@pytest.fixture
def examples(tmp_path):
    """Ingest's Examples, with JPEG images alone in the test split."""
    made = artifact(standard_artifacts.Examples, tmp_path / "examples")
    made.split_names = artifact_utils.encode_split_names(["train", "eval", "test"])
    folder = Path(artifact_utils.get_split_uri([made], "test"))
    folder.mkdir(parents=True)
    options = tf.io.TFRecordOptions(compression_type="GZIP")
    with tf.io.TFRecordWriter(str(folder / "data.gz"), options) as writer:
        for seed in range(5):
            value = tf.train.BytesList(value=[encode(draw(seed), "JPEG")])
            feature = {"image/encoded": tf.train.Feature(bytes_list=value)}
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString())
    return made


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server on a good model, in a process of its own, and the folder that it serves."""
    folder = tmp_path_factory.mktemp("served")
    model = save(folder / "Format-Serving")
    with start_server(ServeCheckConfig(timeout=500), model, Future()) as endpoints:
        yield folder, endpoints


@pytest.fixture
def served(server, monkeypatch):
    """The folder of the model that is served, whatever is checked."""
    folder, endpoints = server
    monkeypatch.setattr(serve_check, "start_server", lambda *_: nullcontext(endpoints))
    return folder


def _check(model_folder: Path, examples, out: Path, **settings: object):
    """Runs the function as the launcher does, and gives the blessing and why.

    However busy the machine is: no time limit is met but one that a test sets.
    """
    model = artifact(standard_artifacts.Model, model_folder)
    model.id = 7
    blessing = artifact(standard_artifacts.InfraBlessing, out)
    settings = {"images": 2, "timeout": 500, "max_latency": 500, **settings}
    ServeCheck.test_call(
        model=model,
        examples=examples,
        blessing=blessing,
        config=ServeCheckConfig(**settings).model_dump_json(),
        code="",
    )
    return model, blessing, ServeVerdict.read(out)


def _inputs(model, infra_blessing) -> dict:
    """What Pusher gets where the Evaluator blessed the model."""
    blessing = standard_artifacts.ModelBlessing()
    blessing.set_int_custom_property("blessed", 1)
    return {"model": [model], "model_blessing": [blessing], "infra_blessing": [infra_blessing]}


def test_a_good_candidate_is_blessed_and_pushed(examples, tmp_path, served, monkeypatch):
    clock = SimpleNamespace(monotonic=iter((10.0, 13.25)).__next__)
    monkeypatch.setattr(serve_check, "time", clock)
    model, blessing, verdict = _check(served, examples, tmp_path / "blessing")
    assert verdict.reasons == ()
    assert blessing.get_int_custom_property("blessed") == 1
    assert (tmp_path / "blessing" / "INFRA_BLESSED").exists()
    assert verdict.requests == 6
    assert 0 <= verdict.max_difference < 1e-5
    assert 0 < verdict.latency_p50_ms <= verdict.latency_p95_ms
    assert verdict.load_seconds == 3.25
    assert AtomicPushExecutor().CheckBlessing(_inputs(model, blessing))


def test_a_graph_that_fails_on_png_is_refused_and_not_pushed(examples, tmp_path):
    save(tmp_path / "model" / "Format-Serving", refuses_png=True)
    model, blessing, verdict = _check(tmp_path / "model", examples, tmp_path / "blessing")
    [reason] = verdict.reasons
    assert "The exported graph fails on test image 1 as PNG" in reason
    assert "The graph has no decoder for PNG." in reason
    assert blessing.get_int_custom_property("blessed") == 0
    assert blessing.get_string_custom_property("reasons") == reason
    assert blessing.get_int_custom_property("model_id") == 7
    assert (tmp_path / "blessing" / "INFRA_NOT_BLESSED").exists()
    assert not (tmp_path / "blessing" / "INFRA_BLESSED").exists()
    pushed = artifact(standard_artifacts.PushedModel, tmp_path / "pushed")
    destination = {"filesystem": {"base_directory": str(tmp_path / "serving")}}
    AtomicPushExecutor().Do(
        _inputs(model, blessing),
        {"pushed_model": [pushed]},
        {"push_destination": json.dumps(destination), "push": "auto", "withdrawn": 0},
    )
    assert pushed.get_int_custom_property("pushed") == 0
    assert not (tmp_path / "serving").exists()


def test_questions_are_spread_and_of_every_format(examples):
    questions = read_questions(examples, 3)
    formats = [Image.open(io.BytesIO(question.encoded)).format for question in questions]
    assert formats == ["JPEG", "PNG", "JPEG"] * 3
    names = [question.name for question in questions]
    assert names[:3] == ["test image 1", "test image 1 as PNG", "test image 1 as JPEG"]
    assert questions[0].encoded == encode(draw(0), "JPEG")
    assert questions[-3].encoded == encode(draw(4), "JPEG")
    assert len(read_questions(examples, 100)) == 15


def test_questions_are_of_the_whole_test_split_however_large(tmp_path):
    made = artifact(standard_artifacts.Examples, tmp_path / "examples")
    made.split_names = artifact_utils.encode_split_names(["test"])
    folder = Path(artifact_utils.get_split_uri([made], "test"))
    folder.mkdir(parents=True)
    images = [encode(np.full((4, 4, 3), 255 * (index >= 1100), np.uint8)) for index in range(1200)]
    with tf.io.TFRecordWriter(str(folder / "data.gz"), "GZIP") as writer:
        for image in images:
            value = tf.train.Feature(bytes_list=tf.train.BytesList(value=[image]))
            features = tf.train.Features(feature={"image/encoded": value})
            writer.write(tf.train.Example(features=features).SerializeToString())
    questions = read_questions(made, 4)
    assert [question.encoded == images[-1] for question in questions[::3]] == [False] * 3 + [True]


def test_a_server_that_answers_otherwise_is_noticed(examples, tmp_path, served):
    save(tmp_path / "model" / "Format-Serving", bias=0.5)
    *_, verdict = _check(tmp_path / "model", examples, tmp_path / "blessing")
    assert len(verdict.reasons) == 2
    for reason, protocol in zip(verdict.reasons, ("gRPC", "REST"), strict=True):
        assert reason.startswith(f"Over {protocol}, the probabilities of test image 1 differ by")
        assert "at most 0.001 is allowed" in reason
        assert reason.endswith("The same applies to 6 more.")


def test_slow_answers_are_no_verdict_as_the_machine_may_be_busy(examples, tmp_path, served):
    with pytest.raises(PipelineError, match="not reach a verdict: 95 of 100 .*max_latency.* run"):
        _check(served, examples, tmp_path / "blessing", max_latency=1e-6)
    assert not list((tmp_path / "blessing").iterdir())


def test_a_damaged_model_is_refused(examples, tmp_path):
    path = save(tmp_path / "model" / "Format-Serving")
    (path / "saved_model.pb").write_bytes(b"no graph")
    *_, verdict = _check(tmp_path / "model", examples, tmp_path / "blessing")
    assert "SavedModel cannot be loaded" in verdict.reasons[0]


def test_a_model_whose_files_are_not_found_now_is_not_refused(examples, tmp_path):
    path = save(tmp_path / "model" / "Format-Serving")
    (path / "saved_model.pb").unlink()
    with pytest.raises(PipelineError, match="not reach a verdict: the SavedModel cannot be loaded"):
        _check(tmp_path / "model", examples, tmp_path / "blessing")
    assert not list((tmp_path / "blessing").iterdir())


@pytest.mark.parametrize(
    ("script", "timeout", "words"),
    [
        ("echo out of memory; exit 9", 500, "the server ended unexpectedly: out of memory"),
        # It waits for ever, as nobody writes into the pipe.
        ("exec cat '{pipe}'", 1, "the model was not available within 1 s"),
    ],
)
def test_a_server_that_ends_or_never_begins_is_no_verdict(
    examples, tmp_path, monkeypatch, script, timeout, words
):
    save(tmp_path / "model" / "Format-Serving")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script.format(pipe=pipe)}\n")
    program.chmod(0o755)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    settings = {"server": "tensorflow_serving", "timeout": timeout}
    with pytest.raises(PipelineError, match=f"not reach a verdict: {words}"):
        _check(tmp_path / "model", examples, tmp_path / "blessing", **settings)
    assert not list((tmp_path / "blessing").iterdir())


@pytest.mark.parametrize("code", [tf.errors.RESOURCE_EXHAUSTED, tf.errors.UNKNOWN])
def test_a_graph_that_finds_no_memory_is_no_verdict(examples, tmp_path, monkeypatch, code):
    save(tmp_path / "model" / "Format-Serving")

    def full(path):
        raise tf.errors.OpError(None, None, "no room for a tensor", code)

    monkeypatch.setattr(tf.saved_model, "load", full)
    with pytest.raises(PipelineError, match="not reach a verdict: .*no room for a tensor"):
        _check(tmp_path / "model", examples, tmp_path / "blessing")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, RefusedError),
        (409, RefusedError),
        (501, RefusedError),
        (404, UndecidedError),
        (429, UndecidedError),
        (503, UndecidedError),
    ],
)
def test_what_rest_answers_instead_says_whose_fault_it_is(status, error):
    with running(says(status, {"error": "it cannot"})) as server:
        wire = RestWire(Endpoints("", server.address.removeprefix("http://")), 60)
        with pytest.raises(error, match=f"status {status}: it cannot"):
            wire.predict([b""])
        wire.close()


def test_no_docker_is_said_in_words(examples, tmp_path, monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    save(tmp_path / "model" / "Format-Serving")
    with pytest.raises(PipelineError, match="this machine has no Docker"):
        _check(tmp_path / "model", examples, tmp_path / "b", server="tensorflow_serving")


def test_nothing_to_ask_about_is_a_reason(examples, tmp_path):
    for file in Path(artifact_utils.get_split_uri([examples], "test")).iterdir():
        file.unlink()
    save(tmp_path / "model" / "Format-Serving")
    *_, verdict = _check(tmp_path / "model", examples, tmp_path / "blessing")
    assert verdict.reasons == ("There is no test image to ask about.",)


def test_not_a_number_is_never_near(examples, tmp_path, monkeypatch):
    from components.serve_check.check import _compare
    from components.serve_check.requests import Question

    answers = np.array([[np.nan, 0.5]], np.float32)
    questions = [Question("test image 1", b"")]
    differing, _ = _compare(lambda images: answers, questions, [answers], ServeCheckConfig())
    assert "differ by nan" in differing[0]
