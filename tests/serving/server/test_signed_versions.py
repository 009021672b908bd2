"""A server that asks for signatures: only what was signed, by whom it should be, is served."""

from pathlib import Path

import pytest
import toy_servables
from model_server import ended, running_server, write_config
from signing_keys import make_key
from tensorflow_serving.apis import get_model_status_pb2, model_service_pb2_grpc

from components.signature import Signer

pytest.importorskip("model_signing", reason="model-signing needs Python 3.11 or later")


def test_only_what_was_signed_is_served(tmp_path: Path) -> None:
    """The lower version goes on while a changed, an unsigned and a foreign one are refused."""
    base = tmp_path / "m"
    for number in (1, 2, 3, 4):
        toy_servables.write_half_plus(base / str(number), float(number))
    ours, theirs = (Signer(str(make_key(tmp_path, name))) for name in ("ours", "theirs"))
    for number in (1, 2):
        ours.sign(base / str(number))
    [weights] = (base / "2" / "variables").glob("*.data*")
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    theirs.sign(base / "4")
    every = {"default": "model_version_policy { all {} }"}
    config = write_config(tmp_path / "models.config", {"default": base}, every)
    with running_server(
        tmp_path,
        f"--model_config_file={config}",
        f"--require_signature={tmp_path / 'ours.pub'}",
        "--max_num_load_retries=0",
    ) as server:
        server.wait_for({1: "AVAILABLE", 2: "END", 3: "END", 4: "END"})
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = "default"
        stub = model_service_pb2_grpc.ModelServiceStub(server.channel)
        said = {
            one.version: one.status for one in stub.GetModelStatus(request).model_version_status
        }
        assert f"changed: variables/{weights.name}" in said[2].error_message
        assert "is not signed" in said[3].error_message
        assert "signed by somebody else" in said[4].error_message
        assert {said[number].error_code for number in (2, 3, 4)} == {9}  # FAILED_PRECONDITION


def test_a_key_that_cannot_be_trusted_ends_the_start(tmp_path: Path) -> None:
    """With the exit code for a wrong flag, before TensorFlow is loaded."""
    key = make_key(tmp_path, "ours")
    code, said = ended(tmp_path, f"--model_base_path={tmp_path}", f"--require_signature={key}")
    assert code == 2
    assert f"{key} holds neither a public key" in said
