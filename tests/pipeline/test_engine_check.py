"""An engine is asked before a run begins: what it lacks is said in a sentence."""

import json
import logging
import socket
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from components.errors import PipelineError
from pipeline.engine_check import ready_options

READY = {
    "/overview": {"taskmanagers": 2, "slots-total": 4, "slots-available": 3},
    "/jobmanager/config": [{"key": "restart-strategy.type", "value": "fixed-delay"}],
    "/taskmanagers": {"taskmanagers": [{"id": "tm1"}]},
    "/taskmanagers/tm1": {"memoryConfiguration": {"networkMemory": 512 << 20}},
}


@contextmanager
def answering(pages):
    """A server whose pages are JSON, or text as it is."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            found = pages.get(self.path)
            self.send_response(404 if found is None else 200)
            self.end_headers()
            self.wfile.write((found if isinstance(found, str) else json.dumps(found)).encode())

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def test_all_free_slots_are_used_and_a_worker_stands_by_each(caplog):
    with answering(READY) as address:
        options = ready_options(f"flink://{address}")
        asked = ready_options(f"flink://{address}?parallelism=2")
    assert {"--parallelism=3", "--sdk_worker_parallelism=2"} <= set(options)
    assert "--parallelism=2" in asked
    assert "--parallelism=3" not in asked
    assert not caplog.records


def test_what_a_job_may_fail_of_later_is_a_warning(caplog):
    poor = {"memoryConfiguration": {"networkMemory": 64 << 20}}
    pages = {**READY, "/jobmanager/config": [], "/taskmanagers/tm1": poor}
    with answering(pages) as address, caplog.at_level(logging.WARNING):
        ready_options(f"flink://{address}")
    assert "no restart strategy" in caplog.text
    assert "64 MiB of network memory" in caplog.text


@pytest.mark.parametrize(
    ("overview", "query", "says"),
    [
        ({"taskmanagers": 0, "slots-total": 0, "slots-available": 0}, "", "has no TaskManager"),
        ({"taskmanagers": 1, "slots-total": 2, "slots-available": 0}, "", "0 of 2 slots free"),
        ({"taskmanagers": 1, "slots-total": 2, "slots-available": 1}, "?parallelism=2",
         "1 of 2 slots free, and a run needs 2"),
        ({"taskmanagers": 1, "slots-total": 2, "slots-available": 2}, "?parallelism=3",
         "has 2 slots, and parallelism=3 needs 3"),
        ({}, "", "is not Flink's REST address: its /overview names no slots"),
        ([], "", "is not Flink's REST address"),
        ("<html>", "", "does not answer with JSON"),
        (None, "", "answers 404"),
    ],
)  # fmt: skip
def test_a_flink_that_cannot_take_a_job_is_refused(overview, query, says):
    with answering({**READY, "/overview": overview}) as address:
        with pytest.raises(PipelineError) as refused:
            ready_options(f"flink://{address}{query}")
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("flink://{0}", "Flink at {0} does not answer (Connection refused): start it"),
        ("flink://{0}?job={0}", "The job server {0} does not answer (Connection refused)"),
        ("spark://{0}", "Spark's master at {0} does not answer (Connection refused)"),
        ("flink://{0}?jar=/no/such.jar", "The jar /no/such.jar cannot be read: No such file"),
    ],
)
def test_an_engine_that_is_not_there_is_said_in_a_sentence(word, says):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(PipelineError) as refused:
            ready_options(word.format(address))
    assert says.format(address) in str(refused.value)


@pytest.mark.parametrize(
    ("names", "says"), [(None, "not a jar"), (["a/Main.class"], "is not a job server of Beam")]
)
def test_a_jar_of_something_else_is_refused(tmp_path, names, says):
    jar = tmp_path / "x.jar"
    jar.write_bytes(b"PK no jar")
    if names is not None:
        with zipfile.ZipFile(jar, "w") as file:
            for name in names:
                file.writestr(name, b"")
    with pytest.raises(PipelineError, match=says):
        ready_options(f"flink://127.0.0.1:1?jar={jar}")


def test_spark_without_java_is_told_what_to_do(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with socket.create_server(("127.0.0.1", 0)) as master:
        word = f"spark://127.0.0.1:{master.getsockname()[1]}"
        with pytest.raises(PipelineError, match="there is no java here: install one, or name"):
            ready_options(word)
