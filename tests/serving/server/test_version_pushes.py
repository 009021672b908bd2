"""Pushes, a rollback and a corrupt push under load: no request is lost, no versions are mixed."""

import shutil
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import httpx
import numpy as np
import pytest
import toy_servables
from model_server import HANGS, Server, running_server, wait_until

pytestmark = pytest.mark.long

_CLIENTS = 8


class Load:
    """Clients that ask without pause, half over gRPC and half over REST, and count."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._stop = threading.Event()
        self.answers: Counter[str] = Counter()
        self.errors: list[str] = []
        self._pool = ThreadPoolExecutor(_CLIENTS)

    def __enter__(self) -> "Load":
        asks = [self._grpc, self._rest] * (_CLIENTS // 2)
        self._running = [self._pool.submit(ask) for ask in asks]
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for running in self._running:
            running.result()
        self._pool.shutdown()

    def more(self, answers: int) -> None:
        """Waits until so many more have been answered, whatever is served meanwhile."""
        wanted = self.answers.total() + answers
        wait_until(lambda: self.errors or self.answers.total() >= wanted)

    def _grpc(self) -> None:
        rows = np.float32([0.0] * 7)
        while not self._stop.is_set():
            try:
                response = self._server.predict({"x": rows})
            except grpc.RpcError as error:
                self.errors.append(f"{error.code()}: {error.details()}")
                continue
            values = set(response.outputs["y"].float_val)
            whole = values == {float(response.model_spec.version.value)}
            self.answers["whole" if whole else "mixed"] += 1

    def _rest(self) -> None:
        url = f"http://127.0.0.1:{self._server.rest_port}/v1/models/default:predict"
        with httpx.Client(timeout=HANGS) as client:
            while not self._stop.is_set():
                answer = client.post(url, json={"instances": [0.0] * 7})
                if answer.status_code != 200:
                    self.errors.append(answer.text)
                    continue
                values = set(answer.json()["predictions"])
                self.answers["whole" if len(values) == 1 else "mixed"] += 1


@pytest.mark.parametrize("batching", [False, True])
@pytest.mark.parametrize("pushes", [4, pytest.param(50, marks=pytest.mark.slow)])
def test_no_request_is_lost(tmp_path: Path, pushes, batching):
    base, staged = tmp_path / "m", tmp_path / "staged"
    for number in range(1, pushes + 1):
        toy_servables.write_half_plus(staged / str(number), float(number))
    base.mkdir()
    (staged / "1").rename(base / "1")
    flags = [f"--model_base_path={base}", "--max_num_load_retries=0"]
    if batching:
        flags.append("--enable_batching")
    with running_server(tmp_path, *flags) as server:
        server.wait_for({1: "AVAILABLE"})
        with Load(server) as load:
            for number in range(2, pushes + 1):
                (staged / str(number)).rename(base / str(number))
                server.wait_for({number: "AVAILABLE", number - 1: "END"})
                load.more(_CLIENTS)
            # A rollback: the newest goes, the one before comes back.
            (base / str(pushes)).rename(staged / "gone")
            server.wait_for({pushes: "END", pushes - 1: "AVAILABLE"})
            load.more(_CLIENTS)
            # A corrupt push: the one that serves goes on.
            shutil.copytree(base / "1", staged / "corrupt")
            (staged / "corrupt" / "saved_model.pb").write_bytes(b"corrupt")
            (staged / "corrupt").rename(base / str(pushes + 1))
            server.wait_for({pushes + 1: "END", pushes - 1: "AVAILABLE"})
            load.more(_CLIENTS)
    assert load.errors == []
    assert load.answers["mixed"] == 0
    assert load.answers["whole"] > _CLIENTS * pushes
