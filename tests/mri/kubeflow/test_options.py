"""Which server the flags and the environment name."""

from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from mri.kubeflow import options
from mri.kubeflow.options import ServerFlags
from mri.options import spread

HOST, TOKEN_FILE = "https://one.example/pipeline", "MRI_KFP_TOKEN_FILE"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """How servers were to be reached."""
    found: list[dict[str, Any]] = []
    monkeypatch.setattr(options, "Server", lambda **given: found.append(given))
    return found


def _ask(*arguments: str, **variables: str) -> Result:
    app = typer.Typer()

    @app.command()
    @spread
    def command(*, server: ServerFlags) -> None:
        server.connect()

    return CliRunner().invoke(app, arguments, env=variables, standalone_mode=False)


def test_settings_come_from_the_environment_and_flags_go_first(
    asked: list[dict[str, Any]], tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.touch()
    variables = {
        "MRI_KFP_HOST": f"{HOST}/",
        "MRI_KFP_NAMESPACE": "radiology",
        "MRI_KFP_CA": str(token),
        TOKEN_FILE: str(token),
    }
    assert _ask("--namespace", "surgery", **variables).exit_code == 0
    [flags] = asked
    assert flags == {
        "host": f"{HOST}/", "namespace": "surgery", "token_file": token, "ca": token, "timeout": 30,
    }  # fmt: skip


@pytest.mark.parametrize("flag", ["--ca", "--token-file"])
def test_a_file_that_does_not_exist_is_refused(asked: list[dict[str, Any]], flag: str) -> None:
    refused = _ask("--host", HOST, flag, "nowhere.pem").exception
    assert isinstance(refused, typer.BadParameter)
    assert "'nowhere.pem' does not exist" in refused.message
    assert asked == []
