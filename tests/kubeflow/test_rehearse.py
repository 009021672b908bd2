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

from components.errors import PipelineError, UsageError
from kubeflow.backends import BACKENDS, NEWEST_BACKEND, find_backend
from kubeflow.compiled import read_compiled
from kubeflow.dag import read_tasks
from kubeflow.pod import PodEnd
from kubeflow.rehearse import Clock, rehearse
from pipeline.exit_code import ExitCode

pytestmark = pytest.mark.long


class Stage:
    """Compiles scripts, rehearses them and reads what they left."""

    def __init__(self, folder):
        self.folder = folder
        self.storage = folder / "storage"
        self.out = io.StringIO()

    def run(self, file, given=None, backend=NEWEST_BACKEND, **options):
        console = Console(file=self.out, width=200, highlight=False)
        texts = [f"{name}={value}" for name, value in (given or {}).items()]
        options["backend"] = find_backend(backend)
        return rehearse(file, texts, self.storage, console, **options)

    def play(self, *scripts, given=None, ending="true", retries=0, **options):
        file = compile_shell(self.folder / "pipeline.yaml", scripts, ending, retries=retries)
        return self.run(file, given, **options)

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
    assert (status["state"], status["error"]) == ("FAILED", {}), "KFP gives no reason"
    assert "failed     the reason" in stage.said
    assert "skipped" in stage.said


@pytest.mark.parametrize("code", [ExitCode.STOPPED_BY_GATE, ExitCode.NOT_BLESSED])
def test_a_verdict_is_what_the_rehearsal_comes_to(stage, code):
    assert stage.play(("judge", f"exit {code.value}", [])) is code
    assert f"exit code 1 (the command's own: exit code {code.value})" in stage.said


def test_a_killed_command_is_started_again_as_often_as_its_policy_says(stage):
    script = f"echo x >> {MOUNT}/tries; [ $(wc -l < {MOUNT}/tries) -gt 1 ] || kill -9 $$"
    assert stage.play(("shaky", script, []), retries=1, backend="2.16") is ExitCode.DONE
    assert stage.read("tries") == ["x", "x"]
    assert "shaky ended with exit code 1 (the command's own: signal 9); again in 0 s" in stage.said

    (stage.storage / "tries").unlink()
    always = f"echo x >> {MOUNT}/tries; false"
    assert stage.play(("never", always, []), retries=2, backend="2.16") is ExitCode.FAILED
    assert stage.read("tries") == ["x", "x", "x"]


@pytest.mark.parametrize("backend", [one.version for one in BACKENDS])
def test_what_is_begun_again_depends_on_the_backend(stage, backend):
    once = f"echo x >> {MOUNT}/tries; [ $(wc -l < {MOUNT}/tries) -gt 1 ]"
    failing = stage.play(("fails", once, []), retries=2, backend=backend)
    failed = stage.read("tries")
    (stage.storage / "tries").unlink()
    script = f"echo x >> {MOUNT}/tries"
    ending = f'printf "%s" "$2" > {MOUNT}/status'
    losing = stage.play(
        ("away", script, []), retries=2, backend=backend, lose=["away=60"], ending=ending
    )
    lost = stage.read("tries")
    state = json.loads((stage.storage / "status").read_text())["state"]
    if backend == "2.17":
        assert (failing, failed) == (ExitCode.FAILED, ["x"])
        assert (losing, lost, state) == (ExitCode.DONE, ["x", "x"], "COMPLETE")
        assert "not again: Kubeflow Pipelines 2.17 retries a task if its pod" in stage.said
    else:
        assert (failing, failed) == (ExitCode.DONE, ["x", "x"])
        assert (losing, lost, state) == (ExitCode.FAILED, ["x"], "RUNNING"), "no launcher told"
        assert f"not again: Kubeflow Pipelines {backend} retries a task if its" in stage.said


def test_a_pod_is_lost_while_its_command_runs(stage, monkeypatch):
    class Freeing(Clock):
        def wait(self, stopped, seconds):
            (stage.storage / "free").touch()
            return super().wait(stopped, seconds)

    monkeypatch.setattr("kubeflow.rehearse.Clock", Freeing)
    stage.storage.mkdir()
    os.mkfifo(stage.storage / "held")
    script = f"[ -e {MOUNT}/free ] || exec cat {MOUNT}/held"
    assert stage.play(("away", script, []), retries=1, lose=["away=0"]) is ExitCode.DONE
    assert "away ended with its pod lost; again in 0 s" in stage.said


def test_a_later_attempt_is_told_to_end_when_the_window_is_over(stage, monkeypatch):
    class AtTheEnd(Clock):
        passed = 0

        def now(self):
            return self.passed

        def wait(self, _stopped, _seconds):
            AtTheEnd.passed = 3600  # the window of pipelines of scripts
            return False

    monkeypatch.setattr("kubeflow.rehearse.Clock", AtTheEnd)
    stage.storage.mkdir()
    os.mkfifo(stage.storage / "held")
    script = f"[ ! -e {MOUNT}/first ] || exec cat {MOUNT}/held; touch {MOUNT}/first; exit 1"
    ending = f'printf "%s" "$2" > {MOUNT}/status'
    with_retry = stage.play(("late", script, []), retries=1, backend="2.16", ending=ending)
    assert with_retry is ExitCode.FAILED
    assert "failed     ended with exit code 143: the window for all attempts is over" in stage.said
    assert json.loads((stage.storage / "status").read_text())["state"] == "RUNNING"


@pytest.mark.parametrize(
    ("lose", "said"),
    [("traner=1", "no task 'traner'; did you mean 'trainer'"), ("trainer", "form TASK=SECONDS")],
)
def test_what_cannot_be_lost(stage, lose, said):
    with pytest.raises(UsageError, match=said):
        stage.play(("trainer", "true", []), lose=[lose])


class Played:
    """Pods that take no time and a clock that they move."""

    def __init__(self, monkeypatch, *trainer):
        self.now = 0.0
        self.attempts = []
        """When each attempt of the Trainer began, and how long it lasted, in minutes."""
        played = self

        class PlayedPod:
            def __init__(self, task, site, _final_status):
                self.task, self.site = task, site

            def run(self, attempt, *, stop_after=None, lose_after=None):
                log = self.site.log(self.task, attempt)
                log.parent.mkdir(parents=True, exist_ok=True)
                log.write_text("")
                if self.task.name != "trainer":
                    return PodEnd(0)
                minutes, end = trainer[attempt - 1]
                if stop_after is not None and stop_after < 60 * minutes:
                    minutes, end = stop_after / 60, PodEnd(-signal.SIGTERM, "late")
                played.attempts.append((played.now / 60, minutes))
                played.now += 60 * minutes
                return end

            def kill(self):
                pass

        class PlayedClock:
            def now(self):
                return played.now

            def wait(self, _stopped, seconds):
                played.now += seconds
                return False

        monkeypatch.setattr("kubeflow.rehearse.Pod", PlayedPod)
        monkeypatch.setattr("kubeflow.rehearse.Clock", PlayedClock)


FAILS, LOST, DONE = PodEnd(1), PodEnd(-9, "lost"), PodEnd(0)


def window(toy, seconds, folder):
    file = folder / "pipeline.yaml"
    whole = toy.file.read_text()
    assert "backoffMaxDuration: 86400s" in whole
    file.write_text(whole.replace("backoffMaxDuration: 86400s", seconds))
    return file


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda one: one.version)
@pytest.mark.parametrize("end", [FAILS, LOST], ids=["fails", "lost"])
def test_a_trainer_that_ends_after_eleven_minutes(stage, toy, monkeypatch, backend, end):
    played = Played(monkeypatch, (11, end), (30, DONE))
    code = stage.run(toy.file, backend=backend.version)
    if (end is LOST) == (backend.version == "2.17"):
        assert code is ExitCode.DONE
        assert played.attempts == [(0, 11), (11.5, 30)]
    else:
        assert code is ExitCode.FAILED
        assert played.attempts == [(0, 11)]
        assert f"not again: Kubeflow Pipelines {backend.version} retries a task if" in stage.said


@pytest.mark.parametrize(("backend", "end"), [("2.16", FAILS), ("2.17", LOST)])
def test_the_window_begins_with_the_first_attempt_and_ends_later_ones(
    stage, toy, monkeypatch, tmp_path, backend, end
):
    ten_minutes = window(toy, "backoffMaxDuration: 600s", tmp_path)
    if backend == "2.16":
        played = Played(monkeypatch, (11, end))
        assert stage.run(ten_minutes, backend=backend) is ExitCode.FAILED
        assert played.attempts == [(0, 11)]
        assert "beyond the window of 600 s" in stage.said

    played = Played(monkeypatch, (4, end), (30, DONE))
    assert stage.run(ten_minutes, backend=backend) is ExitCode.FAILED
    assert played.attempts == [(0, 4), (4.5, 5.5)], "stopped ten minutes after the first began"
    assert "exit code 143" in stage.said


def test_a_window_that_the_file_leaves_out_forbids_every_retry(stage, toy, monkeypatch, tmp_path):
    played = Played(monkeypatch, (1, FAILS))
    assert stage.run(window(toy, "", tmp_path), backend="2.16") is ExitCode.FAILED
    assert played.attempts == [(0, 1)]


def test_what_is_around_a_task_has_the_default_policy(stage, toy, monkeypatch):
    played = Played(monkeypatch, *[(1, LOST)] * 9)
    assert stage.run(toy.file) is ExitCode.FAILED
    assert [began for began, _ in played.attempts] == [0, 1.5, 3.5, 4.5, 6, 8, 9, 10.5, 12.5]


def test_a_task_without_a_policy_has_the_default_one(stage):
    script = f"echo x >> {MOUNT}/tries"
    lost = {"ending": script, "lose": ["ending=60"]}
    assert stage.play(("first", "true", []), **lost) is ExitCode.DONE
    assert stage.read("tries") == ["x", "x"]
    (stage.storage / "tries").unlink()
    assert stage.play(("first", "true", []), backend="2.16", **lost) is ExitCode.FAILED
    assert stage.read("tries") == ["x"]


def test_files_that_a_backend_refuses_or_breaks_on(stage, tmp_path):
    def optional(task):
        kubernetes.use_secret_as_env(task, "mri-metadata", {"url": "MRI_METADATA"}, optional=False)

    scripts = [("first", "true", [])]
    file = compile_shell(tmp_path / "pipeline.yaml", scripts, adjust=optional)
    with pytest.raises(UsageError, match=r"2\.14 refuses first: .*secretAsEnv\.optional"):
        stage.run(file, backend="2.14")
    assert stage.run(file, backend="2.15") is ExitCode.DONE

    file = compile_shell(
        tmp_path / "pipeline.yaml", scripts, adjust=lambda task: task.set_retry(1, "1s", 1.5)
    )
    with pytest.raises(UsageError, match=r"first .* backoff factor 1\.5: Argo takes whole"):
        stage.run(file)


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
    with pytest.raises(UsageError, match=said):
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
        with pytest.raises(PipelineError, match="Another command is using"):
            stage.run(file)


def test_the_real_pipeline_is_read_whole(toy):
    tasks = read_tasks(read_compiled(toy.file), BACKENDS[-1])
    assert len(tasks) == 16
    assert [task.name for task in tasks if task.always] == ["run-end"]
    trainer = next(task for task in tasks if task.name == "trainer")
    assert trainer.retry.count == 2
    assert [trainer.retry.wait(attempt) for attempt in (1, 2, 3)] == [30, 60, 120]


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
