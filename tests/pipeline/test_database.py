"""A database that is away for a while, on a real PostgreSQL server that is stopped and started."""

import socket

import ml_metadata as mlmd
import postgres
import pytest
import tenacity
from ml_metadata.errors import AlreadyExistsError, StatusError
from ml_metadata.proto import metadata_store_pb2 as pb

from components.errors import PipelineError
from pipeline.database import DatabaseAwayError, connect, connection_config
from pipeline.work import Work

pytestmark = pytest.mark.long

PATIENCE = 300.0


class Clock:
    """Time that passes while somebody waits, and not otherwise; what happens then is planned."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        self.plan = []
        monkeypatch.setattr(tenacity.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(tenacity.nap.time, "sleep", self._sleep)

    def at(self, second, event):
        self.plan.append((second, event))

    def _sleep(self, seconds):
        self.now += seconds
        for second, event in [one for one in self.plan if one[0] <= self.now]:
            self.plan.remove((second, event))
            event()


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


@pytest.fixture(scope="module")
def server():
    with postgres.restartable("scram-sha-256") as made:
        yield made


@pytest.fixture
def config(server, tmp_path):
    server.stop()
    server.start()
    return connection_config(server.url, Work(tmp_path))


def test_a_server_that_is_away_for_a_minute_in_the_middle_is_waited_for(
    server, config, clock, caplog
):
    store = connect(config, PATIENCE)
    before = store.put_context_type(pb.ContextType(name="before"))
    server.stop()
    clock.at(60, server.start)

    during = store.put_context_type(pb.ContextType(name="during"))

    assert 60 <= clock.now < 75
    assert [one.name for one in store.get_context_types()] == ["before", "during"]
    assert store.get_context_type("before").id == before
    assert during > before
    [said] = [
        record.getMessage() for record in caplog.records if record.name == "pipeline.database"
    ]
    assert "was lost. Waiting for it, 300 s at most." in said


def test_a_server_that_is_away_at_the_beginning_is_waited_for(server, config, clock, caplog):
    server.stop()
    clock.at(60, server.start)
    assert connect(config, PATIENCE).get_artifacts() == []
    assert 60 <= clock.now < 75
    assert "Connection refused" in caplog.text


def test_a_connection_that_alone_is_cut_is_opened_again(server, config):
    import psycopg

    store = connect(config, PATIENCE)
    with psycopg.connect(server.url, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        )
    assert store.get_contexts() == []


def test_a_server_that_stays_away_is_given_up(server, config, clock):
    store = connect(config, PATIENCE)
    server.stop()
    with pytest.raises(DatabaseAwayError, match="Connection refused; check --metadata") as error:
        store.get_contexts()
    assert PATIENCE <= clock.now < PATIENCE + 15
    assert "unused" not in str(error.value)


def test_who_does_not_wait_is_told_at_once(server, config, clock):
    server.stop()
    with pytest.raises(PipelineError, match="cannot be opened: Connection refused"):
        connect(config)
    assert clock.now == 0


def test_a_name_that_does_not_resolve_for_a_moment(server, config, clock, monkeypatch, caplog):
    resolve = socket.getaddrinfo
    known = False

    def answer(host, *more, **options):
        if host == "mri-metadata" and not known:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return resolve("127.0.0.1" if host == "mri-metadata" else host, *more, **options)

    def learn():
        nonlocal known
        known = True
        config.postgresql.host = "127.0.0.1"  # for the C++ client, which asks elsewhere

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    config.postgresql.host = "mri-metadata"
    clock.at(20, learn)
    assert connect(config, PATIENCE).get_contexts() == []
    assert 20 <= clock.now < 35
    assert "Temporary failure in name resolution" in caplog.text


@pytest.mark.parametrize(
    "wrong",
    [{"password": "guess"}, {"user": "stranger"}],
    ids=["password", "user"],
)
def test_who_is_refused_is_told_at_once_however_patient(config, clock, wrong):
    for name, value in wrong.items():
        setattr(config.postgresql, name, value)
    with pytest.raises(PipelineError, match="refuses the user or the password") as error:
        connect(config, PATIENCE)
    assert not isinstance(error.value, DatabaseAwayError)
    assert clock.now == 0
    assert "guess" not in str(error.value)


def test_a_database_that_may_not_be_made(server, config, clock):
    import psycopg

    with psycopg.connect(server.url, autocommit=True) as other:
        other.execute("DROP ROLE IF EXISTS plain")
        other.execute("CREATE ROLE plain LOGIN PASSWORD 'unused'")
    config.postgresql.user, config.postgresql.dbname = "plain", "nowhere"
    with pytest.raises(PipelineError, match="there is no such database, and this user may not"):
        connect(config, PATIENCE)
    assert clock.now == 0


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"E%bSFATAL\0C57P03\0Mthe database system is starting up\0\0", "is starting up"),
        (b"E%bSFATAL\0C53300\0Msorry, too many clients already\0\0", "too many clients"),
        (b"", "the connection was closed at once"),
    ],
    ids=["starting", "full", "closed"],
)
def test_a_server_that_takes_no_connection_now(tmp_path, clock, answer, said, monkeypatch):
    import threading

    from pipeline import database

    body = answer.partition(b"%b")[2]
    answer = answer.replace(b"%b", (len(body) + 4).to_bytes(4, "big"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

        def serve():
            opened, _ = listening.accept()
            with opened:
                opened.recv(1024)
                opened.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        monkeypatch.setattr(database, "_made", lambda *_: pytest.fail("let in"))
        config = connection_config(f"postgresql://me:secret@127.0.0.1:{port}/db", Work(tmp_path))
        with pytest.raises(DatabaseAwayError, match=said):
            connect(config)
        thread.join()


def test_what_is_wrong_about_a_question_is_not_asked_again(config, clock, monkeypatch):
    store = connect(config, PATIENCE)
    type_id = store.put_context_type(pb.ContextType(name="kind"))
    store.put_contexts([pb.Context(type_id=type_id, name="one")])
    with pytest.raises(AlreadyExistsError):
        store.put_contexts([pb.Context(type_id=type_id, name="one")])
    with pytest.raises(StatusError):
        store.put_contexts([pb.Context(type_id=9999, name="two")])
    assert clock.now == 0
    assert isinstance(store, mlmd.MetadataStore)
