"""Which protocol an address without a scheme speaks."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from components.free_ports import free_ports
from serving.client import Client, ServingError
from serving.client.address import Address
from serving.client.finding import find_protocol

_SETTINGS = bytes((0, 0, 18, 4, 0, 0, 0, 0, 0))


@contextmanager
def _saying(answer: bytes) -> Iterator[str]:
    """A server that answers whatever comes with the same, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer_one() -> None:
            opened, _ = listener.accept()
            with opened:
                opened.recv(1)
                opened.sendall(answer)

        thread = threading.Thread(target=answer_one)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


@pytest.mark.parametrize(
    ("answer", "protocol"),
    [(b"HTTP/1.1 400 Bad Request\r\n\r\n", "rest"), (b"HTTP/1.0 501 What\r\n\r\n", "rest"),
     (_SETTINGS, "grpc"), (b"", "grpc"), (b"HT", "grpc"), (b"SSH-2.0-OpenSSH_9\r\n", "grpc")],
)  # fmt: skip
def test_what_answers_decides(answer, protocol):
    with _saying(answer) as address:
        assert find_protocol(Address.parse(address), 10.0) == protocol


@pytest.mark.parametrize("address", ["grpc://h:1", "http://h:1", "unix:/none"])
def test_an_address_that_says_it_is_not_asked(address):
    assert find_protocol(Address.parse(address), 10.0) == Address.parse(address).protocol


def test_where_nothing_listens_there_is_no_protocol():
    with (
        Client(f"127.0.0.1:{free_ports(1)[0]}", attempts=1) as client,
        pytest.raises(ServingError, match="no connection") as raised,
    ):
        client.status()
    assert raised.value.unavailable


def test_a_graph_is_not_shown_to_who_asks():
    said = "{{function_node __inference_f_91}} {{node Assert}} Not an image. [[{{node Assert}}]]"
    assert ServingError("INVALID_ARGUMENT", said).detail == "Not an image."
