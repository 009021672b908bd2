"""Which server the flags and the environment name."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from kubeflow.server import ServerConfig
from mri.kubeflow import options
from mri.kubeflow.options import ServerFlags
from mri.options import spread

HOST, TOKEN_FILE = "https://one.example/pipeline", "MRI_KFP_TOKEN_FILE"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[ServerConfig]:
    """How servers were to be reached."""
    found: list[ServerConfig] = []
    monkeypatch.setattr(options, "Server", found.append)
    return found


def _ask(*arguments: str, **variables: str) -> Result:
    app = typer.Typer()

    @app.command()
    @spread
    def command(*, server: ServerFlags) -> None:
        server.connect()

    return CliRunner().invoke(app, arguments, env=variables, standalone_mode=False)


def test_settings_come_from_the_environment_and_flags_go_first(
    asked: list[ServerConfig], tmp_path: Path
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
    assert asked == [ServerConfig(HOST, "surgery", token_file=token, ca=token)]


@pytest.mark.parametrize("flag", ["--ca", "--token-file"])
def test_a_file_that_does_not_exist_is_refused(asked: list[ServerConfig], flag: str) -> None:
    refused = _ask("--host", HOST, flag, "nowhere.pem").exception
    assert isinstance(refused, typer.BadParameter)
    assert "'nowhere.pem' does not exist" in refused.message
    assert asked == []
