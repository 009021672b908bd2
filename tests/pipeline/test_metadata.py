import errno
import multiprocessing
import os
from pathlib import Path

import postgres
import pytest
from ml_metadata.proto import metadata_store_pb2 as pb
from tenacity import stop_never

from components.errors import PipelineError
from pipeline import database
from pipeline.database import connect, connection_config
from pipeline.metadata import abandon, forget_missing
from pipeline.work import Work


@pytest.fixture
def work(tmp_path) -> Work:
    return Work(tmp_path)


@pytest.fixture
def store(work):
    return connect(connection_config(None, work))


def test_a_postgresql_url_is_taken_apart(work):
    config = connection_config("postgresql://me:p%40ss@db.example:5433/mlmd", work).postgresql
    assert (config.user, config.password) == ("me", "p@ss")
    assert (config.host, config.port, config.dbname) == ("db.example", "5433", "mlmd")


def test_a_mysql_url_is_taken_apart(work):
    config = connection_config("mysql://me:p%40ss@db.example/mlmd", work).mysql
    assert (config.user, config.password) == ("me", "p@ss")
    assert (config.host, config.port, config.database) == ("db.example", 3306, "mlmd")


@pytest.mark.parametrize(
    "url",
    ["", "mlmd", "http://h/d", "postgresql://", "postgresql://host", "postgresql://h:port/d"],
)
def test_other_urls_are_refused_in_words(work, url):
    with pytest.raises(PipelineError, match="--metadata"):
        connection_config(url, work)


@pytest.mark.parametrize("more", ["?sslmode=verify-full", "?password=guess", "#guess"])
def test_options_that_would_be_dropped_are_refused(work, more):
    with pytest.raises(PipelineError, match="leave out what follows it.* has no TLS") as error:
        connection_config(f"postgresql://me:secret@db.example/mlmd{more}", work)
    assert "guess" not in str(error.value)
    with pytest.raises(PipelineError, match="leave out what follows it"):
        connection_config(f"mysql://me:secret@db.example/mlmd{more}", work)


@pytest.mark.parametrize("sign", ["#", "?", "/"])
def test_a_password_with_a_sign_of_the_url_in_it_is_not_repeated(work, sign):
    with pytest.raises(PipelineError, match="in a password, write") as error:
        connection_config(f"postgresql://me:guess{sign}x@db.example/mlmd", work)
    assert "guess" not in str(error.value)


def test_an_unreachable_database_is_named_without_its_password(work):
    config = connection_config("postgresql://me:secret@127.0.0.1:1/mlmd", work)
    with pytest.raises(PipelineError, match=r"127\.0\.0\.1:1/mlmd cannot be opened") as error:
        connect(config)
    assert "secret" not in str(error.value)


def test_a_file_that_is_no_database_is_refused(work):
    work.metadata.write_bytes(b"not a database" * 100)
    with pytest.raises(PipelineError, match="cannot be opened"):
        connect(connection_config(None, work))


def _context(store, type_name: str, name: str) -> int:
    type_id = store.put_context_type(pb.ContextType(name=type_name), can_add_fields=True)
    [identity] = store.put_contexts([pb.Context(type_id=type_id, name=name)])
    return identity


def _execution(store, contexts: list[int], state) -> int:
    type_id = store.put_execution_type(pb.ExecutionType(name="Trainer"))
    [identity] = store.put_executions([pb.Execution(type_id=type_id, last_known_state=state)])
    store.put_attributions_and_associations(
        [], [pb.Association(execution_id=identity, context_id=context) for context in contexts]
    )
    return identity


def test_a_killed_run_is_closed_and_its_leavings_removed(store, work):
    node = _context(store, "node", "brain_mri.Trainer")
    killed, other = _context(store, "pipeline_run", "r1"), _context(store, "pipeline_run", "r2")
    cut = _execution(store, [killed, node], pb.Execution.RUNNING)
    done = _execution(store, [killed, node], pb.Execution.COMPLETE)
    elsewhere = _execution(store, [other, node], pb.Execution.RUNNING)
    folders = {
        identity: work.artifacts / "Trainer" / "model" / str(identity)
        for identity in (cut, done, elsewhere)
    }
    for folder in folders.values():
        (folder / "Format-Serving").mkdir(parents=True)

    assert abandon(store, ["r1", "never heard of"], work) == ["Trainer"]

    states = {e.id: e.last_known_state for e in store.get_executions()}
    assert states == {
        cut: pb.Execution.FAILED,
        done: pb.Execution.COMPLETE,
        elsewhere: pb.Execution.RUNNING,
    }
    assert [folders[i].exists() for i in (cut, done, elsewhere)] == [False, True, True]


def test_outputs_that_are_gone_are_not_answered_from_cache(store, work):
    type_id = store.put_artifact_type(pb.ArtifactType(name="PushedModel"), can_add_fields=True)
    present = work.artifacts / "present"
    present.mkdir(parents=True)
    artifacts = [
        pb.Artifact(type_id=type_id, uri=uri, state=pb.Artifact.LIVE)
        for uri in (str(present), str(work.artifacts / "gone"), "/elsewhere/gone", str(present))
    ]
    pushed = artifacts[3].custom_properties["pushed_destination"]
    pushed.string_value = str(work.serving / "brain_mri" / "1")
    store.put_artifacts(artifacts)

    assert forget_missing(store, work) == 2

    states = [artifact.state for artifact in store.get_artifacts()]
    live, deleted = pb.Artifact.LIVE, pb.Artifact.DELETED
    assert states == [live, deleted, live, deleted]


def test_storage_that_is_away_for_a_while_is_not_recorded_as_gone(store, work, monkeypatch):
    type_id = store.put_artifact_type(pb.ArtifactType(name="SplitAssignment"))
    uri = work.artifacts / "away"
    uri.mkdir(parents=True)
    store.put_artifacts([pb.Artifact(type_id=type_id, uri=str(uri), state=pb.Artifact.LIVE)])
    real = Path.stat

    def away(path, **how):
        if path == uri:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return real(path, **how)

    monkeypatch.setattr(Path, "stat", away)
    with pytest.raises(PipelineError, match="cannot be checked now .*Stale file handle.*run again"):
        forget_missing(store, work)
    monkeypatch.undo()
    assert forget_missing(store, work) == 0
    assert [one.state for one in store.get_artifacts()] == [pb.Artifact.LIVE]


def test_two_runs_at_once_in_one_folder_are_refused(work):
    with work.exclusively():
        with pytest.raises(PipelineError, match="Another command is using"), work.exclusively():
            pass


def test_a_work_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(PipelineError, match="cannot be written.*--work"),
        Work(tmp_path / "file" / "work").exclusively(),
    ):
        pass
    assert os.listdir(tmp_path) == ["file"]


def test_a_user_whom_the_server_refuses(work):
    with postgres.server() as url:
        stranger = url.replace("mlmd:unused", "stranger:guess")
        with pytest.raises(PipelineError, match="refuses the user or the password") as error:
            connect(connection_config(stranger, work))
    assert "guess" not in str(error.value)


def _open_at(url: str, work: Work, barrier) -> None:
    config = connection_config(url, work)
    barrier.wait()
    connect(config)


def test_several_processes_open_an_empty_database_at_once(work, monkeypatch):
    monkeypatch.setattr(database._made.retry, "stop", stop_never)
    context = multiprocessing.get_context("fork")  # what is imported need not be imported again
    barrier = context.Barrier(4)
    with postgres.server() as url:
        processes = [context.Process(target=_open_at, args=(url, work, barrier)) for _ in range(4)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
    assert [process.exitcode for process in processes] == [0] * 4
