"""Each way in which a server may fail, over HTTP, through kfp.Client."""

import socket
import threading
from pathlib import Path

import kfp_server
import pytest
from certificates import self_signed

from components.errors import PipelineError, UsageError
from kubeflow.runs import Job, get_run, submit
from kubeflow.server import Server, ServerRefusedError


def connect(server: kfp_server.KfpServer, **options) -> Server:
    return Server(server.address, **options)


def test_a_server_that_answers_is_used(server):
    assert connect(server).named("experiments", "x") == []
    assert server.requests[0] == ("GET", "/apis/v2beta1/healthz")


def test_a_token_comes_from_the_environment(server):
    server.token = "secret"
    server_of = {"MRI_KFP_TOKEN": "secret"}
    connected = Server(f"{server.address}/", environment=server_of)
    assert (connected.host, connected.version) == (server.address, "2.17.0")
    assert "secret" not in repr(connected)


def test_the_user_interface_passes_on_the_version_and_says_if_the_server_is_away(server):
    server.behind_page = True
    assert connect(server).version == "2.17.0"
    away = {"apiServerReady": False, "frontendTagName": "1.2.3"}
    server.override = lambda handler: handler.say(200, away)
    assert "is Kubeflow's user interface, which does not reach" in failure(server.address)


def test_in_a_pod_it_is_kubeflows_own_and_the_pods_token_and_namespace(
    server, tmp_path, monkeypatch
):
    token, namespace = tmp_path / "token", tmp_path / "namespace"
    token.write_text("pod\n")
    namespace.write_text("radiology\n")
    monkeypatch.setattr("kubeflow.server._MOUNTED_TOKEN", token)
    monkeypatch.setattr("kubeflow.server._OWN_NAMESPACE", namespace)
    monkeypatch.setattr("kubeflow.server._IN_CLUSTER", server.address)
    server.multi_user = True
    environment = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}
    for server.token, more in (("pod", {}), ("mine", {"MRI_KFP_TOKEN": "mine"})):
        connected = Server(None, environment={**environment, **more})
        assert connected.named("experiments", "x") == []
    assert connected.namespace == "radiology"


@pytest.mark.parametrize(
    ("host", "says"),
    [
        (None, "There is no Kubeflow Pipelines server: give --host"),
        ("kubeflow.example.org", "is not the address of a Kubeflow Pipelines server"),
    ],
)
def test_wrong_settings_are_said(host, says):
    with pytest.raises(UsageError) as refused:
        Server(host, environment={})
    assert says in str(refused.value)


def failure(host: str, **options) -> str:
    with pytest.raises(PipelineError) as failed:
        Server(host, **options)
    message = str(failed.value)
    assert "\n" not in message
    assert host in message
    return message


def test_nothing_listens():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert "does not answer: check --host" in failure(f"http://127.0.0.1:{port}")


def test_an_unknown_name():
    # RFC 6761 keeps .invalid from ever being a name; a resolver may be absent here altogether.
    assert "has a name that is not known here" in failure("http://kubeflow.invalid:8888")


def test_no_answer_in_time():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        message = failure(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=1)
    assert "did not answer in time: try again, raise --timeout" in message


@pytest.mark.parametrize("answer", [b"", b'{"a": 1}\r\n\r\n'], ids=["nothing", "no HTTP"])
def test_a_connection_that_is_cut(answer):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def cut() -> None:
            connection, _ = listener.accept()
            connection.recv(65536)
            connection.sendall(answer)
            connection.close()

        thread = threading.Thread(target=cut)
        thread.start()
        message = failure(f"http://127.0.0.1:{listener.getsockname()[1]}")
        thread.join()
    assert "ended the connection without an answer" in message


def test_a_certificate_that_nobody_vouches_for_and_its_authority(tmp_path: Path):
    certificate = self_signed(tmp_path / "own.pem")
    with kfp_server.running(certificate) as server:
        assert "is not trusted (self-signed certificate" in failure(server.address)
        assert "give its authority's with --ca" in failure(server.address)
        assert connect(server, ca=certificate).named("experiments", "x") == []


def test_https_where_the_server_speaks_http(server):
    host = server.address.replace("http:", "https:")
    assert failure(host) == f"{host} does not speak TLS: use http:// for it."


def test_a_sign_in_page_is_no_answer(server):
    server.override = lambda handler: handler.say(200, "<html>Sign in</html>", "text/html")
    message = failure(server.address)
    assert "answers with text/html instead of the API's JSON" in message
    assert "MRI_KFP_TOKEN" in message


@pytest.mark.parametrize("content", ['{"multi_user": tr', "[1, 2]", ""])
def test_json_that_is_cut_or_is_no_object_is_no_answer(server, content):
    server.override = lambda handler: handler.say(200, content, "application/json")
    assert "instead of the API's JSON" in failure(server.address)


@pytest.mark.parametrize("content", [b"two\nlines", b"\xff\xfe", b"caf\xc3\xa9"])
def test_a_file_that_holds_no_token_is_said_not_to(server, tmp_path, content):
    token = tmp_path / "token"
    token.write_bytes(content)
    with pytest.raises(UsageError, match="does not hold a bearer token"):
        connect(server, token_file=token)
    assert server.requests == []


def test_an_id_is_no_path(server):
    with pytest.raises(PipelineError, match=r"has no run \.\./experiments\?x"):
        get_run(connect(server), "../experiments?x")
    assert server.requests[-1] == ("GET", "/apis/v2beta1/runs/..%2Fexperiments%3Fx")


def test_credentials(server, tmp_path):
    server.token = "right"
    message = failure(server.address)
    assert "does not accept the credentials (401): Unauthenticated" in message
    message = failure(server.address, environment={"MRI_KFP_TOKEN": "wrong"})
    assert "does not let these credentials do that (403): PermissionDenied" in message
    assert "wrong" not in message
    assert connect(server, environment={"MRI_KFP_TOKEN": "right"})


def test_a_token_file_goes_before_a_token_in_the_environment(server, tmp_path):
    server.token = "right"
    token = tmp_path / "token"
    token.write_text("right")
    environment = {"MRI_KFP_TOKEN": "wrong"}
    assert Server(server.address, token_file=token, environment=environment)


def test_a_token_file_is_read_anew_for_each_request(server, tmp_path):
    server.token = "first"
    token = tmp_path / "token"
    token.write_text("first\n")
    connected = connect(server, token_file=token)
    server.token = "second"
    with pytest.raises(ServerRefusedError):
        connected.named("experiments", "x")
    token.write_text("second\n")
    assert connected.named("experiments", "x") == []


@pytest.mark.parametrize(
    ("status", "content", "kind", "says"),
    [
        (404, "404 page not found", "text/plain", "it may not be the API of Kubeflow Pipelines 2."),
        (502, "<html>Bad gateway</html>", "text/html", "failed (502); its log"),
        (500, "\N{SNOWMAN}", "text/plain; charset=utf-8", "failed (500)"),
        (400, '{"code": 3, "message": "no\\nnamespace"}', "application/json", ": no namespace."),
        (500, '{"message": "' + "x" * 999 + '"}', "application/json", "x" * 300 + "..."),
    ],
)
def test_other_refusals(server, status, content, kind, says):
    server.override = lambda handler: handler.say(status, content, kind)
    message = failure(server.address)
    assert says in message
    assert "html" not in message


def test_errors_after_the_first_answer(server, compiled):
    connected = connect(server)
    with pytest.raises(PipelineError, match="has no run 123: `kfp run list`"):
        get_run(connected, "123")
    server.override = lambda handler: handler.say(409, {"code": 6, "message": "It is there."})
    with pytest.raises(
        ServerRefusedError, match=r"has something of that name already \(409\): It is"
    ):
        connected.named("experiments", "x")
    from kubeflow.compiled import read_compiled

    server.override = lambda handler: handler.say(503, {"code": 14, "message": "Later."})
    before = len(server.requests)
    with pytest.raises(ServerRefusedError) as refused:
        submit(connected, Job(read_compiled(compiled), {"data": "x"}))
    assert refused.value.status == 503
    assert len(server.requests) == before + 1  # nothing is sent twice


def test_where_kubeflow_has_several_users_a_namespace_is_asked_for(server):
    server.multi_user = True
    with pytest.raises(ServerRefusedError, match="a namespace is needed"):
        connect(server).named("experiments", "x")
    assert connect(server, namespace="radiology").named("experiments", "x") == []
