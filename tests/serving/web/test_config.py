"""The settings of the page."""

import pytest

from components.errors import PipelineError
from serving.web import WebConfig, create_app


def test_a_secret_is_demanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRET_KEY", raising=False)
    with pytest.raises(PipelineError, match="SECRET_KEY"):
        create_app()


def test_a_short_secret_is_refused_and_not_told() -> None:
    with pytest.raises(PipelineError, match="SECRET_KEY") as raised:
        WebConfig.from_environment({"SECRET_KEY": "hunter2"})
    assert "hunter2" not in str(raised.value)


def test_the_environment_is_read_and_arguments_go_before_it() -> None:
    environment = {
        "SECRET_KEY": "0123456789abcdef",
        "MRI_WEB_MAX_FILES": "3",
        "MRI_WEB_SERVER": "http://elsewhere:8501",
    }
    config = WebConfig.from_environment(environment, server="https://here", model=None)
    assert (config.max_files, config.server, config.model) == (3, "https://here", "brain_mri")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MRI_WEB_MAX_FILES", "0"),
        ("MRI_WEB_SERVER", "ftp://x"),
        ("MRI_WEB_MODEL_CARD", "javascript:x"),
        ("MRI_WEB_RATE", "120 per minut"),
        ("MRI_WEB_VIEW_RATE", "often"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(PipelineError, match=name):
        WebConfig.from_environment({"SECRET_KEY": "0123456789abcdef", name: value})
