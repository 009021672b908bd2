"""Flags of a run mean the same to every command that starts one."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli import automation, main
from pipeline.cli.options import run_settings
from pipeline.config import load_config

FLAGS = [
    "--preset", "ci", "--set", "train.epochs=3", "--weights", "weights.h5", "--tune",
    "--accept-anomalies", "drift:image/mean, leak", "--reason", "new scanner, checked",
]  # fmt: skip


def test_flags_stand_for_settings():
    settings = run_settings(
        ["train.epochs=3"],
        data=Path("some folder"),
        span=7,
        labels=Path("labels.csv"),
        weights=Path("weights.h5"),
        tune=True,
        accept_anomalies="drift:image/mean, leak",
        reason="it's a: new scanner",
    )
    config = load_config("ci", settings)
    assert config.train.epochs == 3
    assert config.data == Path("some folder").absolute()
    assert config.ingest.span == 7
    assert config.ingest.labels == Path("labels.csv").absolute()
    assert config.model.weights == Path("weights.h5").absolute()
    assert config.tune.enabled
    assert config.accept_anomalies == ("drift:image/mean", "leak")
    assert config.accept_reason == "it's a: new scanner"
    assert run_settings(None) == []


@pytest.mark.parametrize(
    "name",
    [
        "é𝛼🧠",
        "a'b\"c",
        "a\nb\tc",
        "#x",
        "{a}: [b]",
        "%s",
        "\x7f\x85",
        " lead",
        "-x",
        "\\",
        "~",
        "null",
    ],
)
def test_whatever_a_path_is_called_it_stays_as_it_is(name):
    config = load_config("ci", run_settings(None, data=Path("/", name), reason=name))
    assert config.data == Path("/", name)
    given = run_settings(None, accept_anomalies="leak", reason=name)
    assert load_config("ci", given).accept_reason == name


@pytest.mark.parametrize(
    ("command", "starter"),
    [
        (["run", "--data", "scans"], "pipeline.commands.run.run_pipeline"),
        (["schedule", "--cron", "0 3 * * *", "--data", "scans"],
         "pipeline.scheduling.timetable.schedule_runs"),
        (["watch", "scans"], "pipeline.scheduling.watch.watch_folder"),
    ],
)  # fmt: skip
def test_every_command_that_starts_runs_takes_them(command, starter, monkeypatch):
    started = []
    monkeypatch.setattr(starter, lambda *given, **_: started.append(given))
    monkeypatch.setattr("components.trainer.weights.vgg16.resolve_weights", lambda path: path)
    result = CliRunner().invoke(main.app, [*command, *FLAGS])
    assert result.exit_code == 0, (result.output, result.exception)
    [given] = started
    if command[0] == "run":
        config = given[0]
    else:
        [words] = [one for one in given if isinstance(one, list)]
        config = load_config("ci", [words[i + 1] for i, one in enumerate(words) if one == "--set"])
    assert config.data == Path("scans").absolute()
    assert config.train.epochs == 3
    assert config.tune.enabled
    assert config.accept_anomalies == ("drift:image/mean", "leak")
    assert config.accept_reason == "new scanner, checked"


@pytest.mark.parametrize("command", [["schedule", "--cron", "0 3 * * *"], ["watch", "scans"]])
@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--accept-anomalies", "drift:image/mean"], "needs --reason"),
        (["--accept-anomalies", "dirft", "--reason", "x"], "did you mean 'drift'"),
    ],
)
def test_what_the_gate_would_refuse_at_night_is_refused_at_once(command, flags, says, tmp_path):
    result = CliRunner().invoke(main.app, [*command, *flags, "--work", str(tmp_path / "work")])
    assert says in str(result.exception)
    assert not (tmp_path / "work").exists()


def test_a_password_is_kept_out_of_the_command_line(monkeypatch):
    monkeypatch.setenv("MRI_METADATA", "")
    words = automation._command("ci", [], Path("work"), "postgresql://who:secret@where/what")
    assert "secret" not in " ".join(words)
