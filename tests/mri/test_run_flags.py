"""Flags of a run mean the same to every command that starts one."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from mri import main
from mri.run_flags import RunFlags
from mri.unattended import run_command
from pipeline.config import load_config

FLAGS = [
    "--preset", "ci", "--set", "train.epochs=3", "--weights", "weights.h5", "--tune",
    "--accept-anomalies", "drift:image/mean, leak", "--reason", "new scanner, checked",
]  # fmt: skip


def test_flags_stand_for_settings():
    flags = RunFlags(
        "ci",
        ["train.epochs=3"],
        weights=Path("weights.h5"),
        tune=True,
        accept_anomalies="drift:image/mean, leak",
        reason="it's a: new scanner",
    )
    config = flags.config(data=Path("some folder"), span=7, labels=Path("labels.csv"))
    assert config.train.epochs == 3
    assert config.data == Path("some folder").absolute()
    assert config.ingest.span == 7
    assert config.ingest.labels == Path("labels.csv").absolute()
    assert config.model.weights == Path("weights.h5").absolute()
    assert config.tune.enabled
    assert config.accept_anomalies == ("drift:image/mean", "leak")
    assert config.accept_reason == "it's a: new scanner"
    assert RunFlags("ci").config() == load_config("ci")


def test_of_what_a_tuner_found_and_what_is_set_and_a_flag_the_later_counts():
    tuned = [("train.epochs", 2), ("train.learning_rate", 0.0003), ("tune.trials", 5)]
    flags = RunFlags("ci", ["train.epochs=3", "tune={enabled: false}"], tune=True)
    config = flags.config(tuned=tuned)
    assert (config.train.epochs, config.train.learning_rate) == (3, 0.0003)
    assert config.tune.enabled
    assert config.tune.trials == load_config("ci").tune.trials


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
def test_whatever_a_path_is_called_it_stays_as_it_is(name, monkeypatch):
    flags = RunFlags("ci", accept_anomalies="leak", reason=name)
    config = flags.config(data=Path("/", name))
    assert config.data == Path("/", name)
    assert config.accept_reason == name
    # And on the command line of the run that a scheduler starts.
    words = run_command(flags, Path("work"), None, data=Path("/", name))
    started = []
    monkeypatch.setattr("mri.run.run_pipeline", lambda config, *_, **__: started.append(config))
    CliRunner().invoke(main.app, words[3:], catch_exceptions=False)
    assert started == [config]


@pytest.mark.parametrize(
    ("command", "starter"),
    [
        (["run", "--data", "scans"], "mri.run.run_pipeline"),
        (["schedule", "--cron", "0 3 * * *", "--data", "scans"], "mri.schedule.schedule_runs"),
        (["watch", "scans"], "mri.watch.watch_folder"),
    ],
)
def test_every_command_that_starts_runs_takes_them(command, starter, monkeypatch):
    started = []
    monkeypatch.setattr(starter, lambda *given, **_: started.append(given))
    monkeypatch.setattr("mri.unattended.resolve_weights", lambda path: path)
    result = CliRunner().invoke(main.app, [*command, *FLAGS])
    assert result.exit_code == 0, (result.output, result.exception)
    [given] = started
    if command[0] != "run":
        [words] = [one for one in given if isinstance(one, list)]
        monkeypatch.setattr("mri.run.run_pipeline", lambda *given, **_: started.append(given))
        CliRunner().invoke(main.app, words[3:], catch_exceptions=False)
    config = started[-1][0]
    assert config.data == Path("scans").absolute()
    assert config.train.epochs == 3
    assert config.tune.enabled
    assert config.model.weights == Path("weights.h5").absolute()
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
    words = run_command(RunFlags("ci"), Path("work"), "postgresql://who:secret@where/what")
    assert "secret" not in " ".join(words)
