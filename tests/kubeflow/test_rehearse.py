"""A rehearsal does what a cluster does, with pipelines of shell scripts."""

import io
import json
import os
import re
import signal
from concurrent.futures import wait

import pytest
from compiled import MOUNT, compile_shell
from descendants import all_end_with
from kfp import kubernetes
from process_gates import gate
from rehearsing import start
from rich.console import Console

from components.errors import PipelineError
from kubeflow.compiled import read_compiled
from kubeflow.dag import read_tasks
from kubeflow.rehearse import rehearse
from pipeline.config import ConfigError
from pipeline.exit_code import ExitCode

pytestmark = pytest.mark.long


class Stage:
    """Compiles scripts, rehearses them and reads what they left."""

    def __init__(self, folder):
        self.folder = folder
        self.storage = folder / "storage"
        self.out = io.StringIO()

    def run(self, file, given=None, **options):
        console = Console(file=self.out, width=200, highlight=False)
        texts = [f"{name}={value}" for name, value in (given or {}).items()]
        return rehearse(file, texts, self.storage, console, **options)

    def play(self, *scripts, given=None, ending="true", **options):
        file = compile_shell(self.folder / "pipeline.yaml", scripts, ending, **options)
        return self.run(file, given)

    def read(self, name):
        return (self.storage / name).read_text().split()

    @property
    def said(self):
        return self.out.getvalue()


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path)


def test_in_the_order_of_the_graph_with_the_parameters_in_their_places(stage):
    code = stage.play(
        ("first", f'echo "$1 $2 $3 $4" > {MOUNT}/first', []),
        ("second", f"cp {MOUNT}/first {MOUNT}/second", ["first"]),
        given={"word": "two words", "number": "7"},
        ending=f"echo '{{}}' $1 > {MOUNT}/ending",
    )
    assert code is ExitCode.DONE
    run_id, *values = stage.read("second")
    assert values == ["two", "words", "7", "0.5"]
    assert stage.read("ending") == ["{}", run_id]
    assert re.fullmatch(r"[0-9a-f-]{36}", run_id)
    logs = sorted(path.name for path in (stage.storage / "runs" / run_id / "logs").iterdir())
    assert logs == ["ending-1.txt", "first-1.txt", "second-1.txt"]


def test_after_a_failure_nothing_new_begins_and_the_exit_handler_is_told(stage):
    code = stage.play(
        ("bad", "echo the reason; exit 1", []),
        ("after", f"touch {MOUNT}/after", ["bad"]),
        ending=f'printf "%s" "$2" > {MOUNT}/status',
    )
    assert code is ExitCode.FAILED
    assert not (stage.storage / "after").exists()
    status = json.loads((stage.storage / "status").read_text())
    assert status["state"] == "FAILED"
    assert status["error"]["message"] == "Failed: bad."
    assert "failed     the reason" in stage.said
    assert "skipped" in stage.said


@pytest.mark.parametrize("code", [ExitCode.STOPPED_BY_GATE, ExitCode.NOT_BLESSED])
def test_a_verdict_is_what_the_rehearsal_comes_to(stage, code):
    assert stage.play(("judge", f"exit {code.value}", [])) is code


def test_a_killed_task_is_started_again_as_often_as_its_policy_says(stage):
    script = f"echo x >> {MOUNT}/tries; [ $(wc -l < {MOUNT}/tries) -gt 1 ] || kill -9 $$"
    assert stage.play(("shaky", script, []), retries=1) is ExitCode.DONE
    assert stage.read("tries") == ["x", "x"]
    assert f"shaky failed with signal {signal.SIGKILL.value}; again in 0 s" in stage.said

    (stage.storage / "tries").unlink()
    always = f"echo x >> {MOUNT}/tries; false"
    assert stage.play(("never", always, []), retries=2) is ExitCode.FAILED
    assert stage.read("tries") == ["x", "x", "x"]


def test_one_at_a_time_on_sqlite(stage, monkeypatch):
    waited_for = []

    def count_and_wait(running, **options):
        waited_for.append(len(running))
        return wait(running, **options)

    monkeypatch.setattr("kubeflow.rehearse.wait", count_and_wait)
    assert stage.play(("one", "true", []), ("two", "true", [])) is ExitCode.DONE
    assert waited_for == [1, 1]
    assert "SQLite takes one task at a time" in stage.said


def test_a_task_has_the_secrets_that_it_names_and_no_other(stage, monkeypatch):
    monkeypatch.setenv("MRI_METADATA", "postgresql://who:secret@where/what")
    monkeypatch.setenv("SALT", "salted")
    file = compile_shell(
        stage.folder / "pipeline.yaml",
        [("show", f'echo "$SALT ${{MRI_METADATA:-none}}" > {MOUNT}/shown', [])],
        adjust=lambda task: kubernetes.use_secret_as_env(task, "salt", {"key": "SALT"}),
    )
    assert stage.run(file) is ExitCode.DONE
    assert stage.read("shown") == ["salted", "none"]

    monkeypatch.delenv("SALT")
    with pytest.raises(PipelineError, match="takes SALT from the Secret salt/key: set SALT"):
        stage.run(file)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"wrod": "x"}, r"no parameter 'wrod'; did you mean 'word'\?"),
        ({"zzz": "x"}, r"no parameter 'zzz'; known are number, share, word\."),
        ({"number": "3.5"}, r"number='3\.5' must be a whole number"),
        ({"share": "half"}, "share='half' must be a number"),
    ],
)
def test_parameters_that_are_refused(stage, given, said):
    with pytest.raises(ConfigError, match=said):
        stage.play(("first", "true", []), given=given)
    assert not stage.storage.exists()


def test_files_that_are_no_compiled_pipeline(stage, tmp_path):
    whole = compile_shell(tmp_path / "whole.yaml", [("first", "true", [])]).read_text()
    file = tmp_path / "pipeline.yaml"
    cut = whole[: whole.index("---")]
    texts = {
        "": "is not a complete pipeline",
        "a: b": "is not a complete pipeline",
        "a: [": "is not a complete pipeline",
        "just words": "is not a complete pipeline",
        whole[: len(whole) // 3]: "is not a complete pipeline",
        whole[: whole.index("schemaVersion")]: "is not a complete pipeline",
        cut: "mounts no volume in any task",
    }
    for text, said in texts.items():
        file.write_text(text)
        with pytest.raises(PipelineError, match=said):
            stage.run(file)
    with pytest.raises(PipelineError, match=r"cannot be read \(No such file"):
        stage.run(tmp_path / "absent.yaml")
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(PipelineError, match="is not a complete pipeline"):
        stage.run(file)


def test_storage_that_cannot_be_shared(stage, tmp_path):
    file = compile_shell(tmp_path / "pipeline.yaml", [("first", "true", [])])
    stage.storage = tmp_path / "file" / "below"
    (tmp_path / "file").touch()
    with pytest.raises(PipelineError, match="cannot be the shared storage"):
        stage.run(file)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://u:p@127.0.0.1:1/db", r"127\.0\.0\.1:1/db cannot be opened: .*refused"),
        ("mysql://u:p@127.0.0.1:1/db", r"127\.0\.0\.1:1/db cannot be opened: .*refused"),
        ("http://127.0.0.1/db", "takes postgresql://"),
        ("postgresql://u:p@127.0.0.1:port/db", "port .* is not a number"),
    ],
)
def test_databases_that_cannot_be_used(stage, tmp_path, url, said, monkeypatch):
    def ask_for_minutes(_config, _patience):
        pytest.fail("ML Metadata's client was asked, which tries for minutes")

    monkeypatch.setattr("pipeline.database._made", ask_for_minutes)
    file = compile_shell(tmp_path / "pipeline.yaml", [("first", "true", [])])
    with pytest.raises(PipelineError, match=said):
        stage.run(file, metadata_url=url)


def test_a_run_that_has_the_storage_for_itself(stage, tmp_path):
    from pipeline.work import Work

    file = compile_shell(tmp_path / "pipeline.yaml", [("first", "true", [])])
    with Work(stage.storage).exclusively():
        with pytest.raises(PipelineError, match="Another run is using"):
            stage.run(file)


def test_the_real_pipeline_is_read_whole(toy):
    tasks = read_tasks(read_compiled(toy.file))
    assert len(tasks) == 16
    assert [task.name for task in tasks if task.always] == ["run-end"]
    trainer = next(task for task in tasks if task.name == "trainer")
    assert trainer.retry.count == 2
    assert [trainer.retry.wait(attempt) for attempt in (1, 2, 10)] == [30, 60, 600]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_rehearsal_that_ends_takes_its_tasks_along(stage, number):
    begun = stage.folder / "begun"
    os.mkfifo(begun)
    with gate(stage.folder / "gate") as held:
        script = f"echo begun > {begun}; exec cat {held.path}"
        file = compile_shell(stage.folder / "pipeline.yaml", [("waits", script, [])], "true")
        with start(file, stage.storage, None) as rehearsal:
            assert begun.read_text() == "begun\n"
            with all_end_with(rehearsal.pid, "cat"):
                rehearsal.send_signal(number)
                rehearsal.wait()
    assert rehearsal.returncode == (-number if number == signal.SIGKILL else 128 + number)
