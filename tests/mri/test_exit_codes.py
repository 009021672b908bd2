"""What commands end with if what they are given is wrong, as docs/running.md says."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer
from mri_command import mri

from components.errors import PipelineError, UsageError, path_error, through_beam
from mri.lazy import LazyGroup
from mri.main import app
from pipeline.exit_code import ExitCode
from pipeline.work import Work

_SILENT = "http://127.0.0.1:1"
"""Nothing listens there."""
_RUN = ("run", "--preset", "ci", "--set", "model.weights=random")

WRONG = {
    "run": [
        ([*_RUN, "--data", "nowhere"], "There is no folder"),
        ([*_RUN, "--data", "file"], "There is no folder"),
        ([*_RUN, "--data", "empty"], "0 class folders"),
        ([*_RUN, "--data", "images", "--span", "7"], "--span"),
        ([*_RUN, "--data", "images", "--labels", "nowhere.csv"], "nowhere.csv cannot be read"),
        ([*_RUN, "--data", "s3://A_B/x"], "names no bucket"),
        (["run", "--data", "images", "--weights", "nowhere.h5"], "nowhere.h5 cannot be read"),
        (["run", "--data", "images", "--weights", "file"], "is not a weights file"),
        ([*_RUN, "--accept-anomalies", "all", "--reason", "x"], "no finding named 'all'"),
        ([*_RUN, "--accept-anomalies", "leak"], "needs --reason"),
        ([*_RUN, "--from", "Traner"], "did you mean 'Trainer'"),
        ([*_RUN, "--from", "Pusher", "--to", "Ingest"], "nothing would run"),
        ([*_RUN, "--hyperparameters", "nowhere"], "holds no hyperparameters"),
        ([*_RUN, "--set", "train.epochs=many"], "train.epochs"),
        ([*_RUN, "--set", "data=''"], "data='' is refused: it is empty"),
        ([*_RUN, "--set", "model.weights=''"], "model.weights='' is refused: it is empty"),
        ([*_RUN, "--data", "nowhere\x1b[2J"], r"nowhere\x1b[2J"),
        (["run", "--preset", "file.yaml"], "file.yaml"),
        ([*_RUN, "--work", "file"], "--work"),
    ],
    "schedule": [
        (["schedule", "--cron", "daily"], "--cron 'daily' has 1 fields"),
        (["schedule", "--cron", "* * * * *", "--on-failure", "no-such-program"], "--on-failure"),
    ],
    "watch": [(["watch", "nowhere"], "There is no folder")],
    "predict": [
        (["predict", "scan.png"], "There is no pushed model"),
        (["predict", "scan.png", "--model", "empty"], "holds no SavedModel"),
        (["predict", "scan.png", "--frame", "first"], "--frame takes"),
        (["predict", "scan.png", "--server", "ftp://server"], "ftp://server"),
        (["predict", "scan.png", "--server", "https://127.0.0.1:1", "--ca", "file"], "certificate"),
    ],
    "batch": [(["batch", "nowhere", "out"], "There is no nowhere")],
    "web": [(["web", "--server", "ftp://server", "--port", "0"], "MRI_WEB_SERVER is refused")],
    "monitor": [
        (["monitor", "--since", "yesterday"], "--since 'yesterday' is neither"),
        (["monitor", "--log", "empty"], "There is no request log"),
    ],
    "serve": [
        (["serve"], "There is no pushed model"),
        (["serve", "--base-path", "empty", "--flag", "prot=1"], "Unknown flag"),
        (["serve", "--port", "99999"], "--port"),
    ],
    "serve bench": [(["serve", "bench", "ftp://server"], "ftp://server")],
    "serve files": [(["serve", "files", "file"], "file cannot be written")],
    "serve log": [
        (["serve", "log"], "Name the model server"),
        (["serve", "log", "--server", "http://server:8501"], "address of the other protocol"),
    ],
    "evaluate": [
        (["evaluate", "--data", "images"], "No run was recorded"),
        (["evaluate", "--data", ""], "it is empty"),
    ],
    "pacs run": [(["pacs", "run", "--config", "nowhere.yaml"], "nowhere.yaml")],
    "pacs status": [(["pacs", "status", "--config", "file.yaml"], "file.yaml")],
    "pacs show": [(["pacs", "show", "x"], "pacs.yaml")],
    "pacs retry": [(["pacs", "retry"], "Give a study's key, or --all")],
    "report": [(["report"], "No run was recorded")],
    "tensorboard": [(["tensorboard"], "Nothing was trained")],
    "models list": [(["models", "list", "--metadata", "http://server/x"], "--metadata takes")],
    "models show": [(["models", "show", "--work", "nowhere"], "No run was recorded in")],
    "models approve": [(["models", "approve", "x", "--reason", "x"], "No run was recorded")],
    "models reject": [(["models", "reject", "x", "--reason", "x"], "No run was recorded")],
    "models rollback": [(["models", "rollback", "--reason", "x"], "No run was recorded")],
    "models sign": [
        (["models", "sign"], "There is no key to sign with"),
        (["models", "sign", "--key", "file"], "cannot be used for signing"),
    ],
    "models verify": [
        (["models", "verify", "--trusted", "file"], "There is no pushed model"),
        (["models", "verify", "empty", "--trusted", "file"], "holds no SavedModel"),
    ],
    "models publish": [(["models", "publish", "--model", "other"], "no pushed model other")],
    "data sample": [
        (["data", "sample", "file"], "is a file"),
        (["data", "sample", "images"], "not a synthetic sample"),
    ],
    "data fetch": [(["data", "fetch", "images"], "name another folder")],
    "data inspect": [
        (["data", "inspect", "nowhere"], "There is no folder"),
        (["data", "inspect", "images", "--html", "nowhere/page.html"], "--html"),
        (["data", "inspect", "images", "--html", "x.html", "--classes", "one"], "class names"),
    ],
    "data audit": [
        (["data", "audit", "--data", "nowhere"], "There is no folder"),
        (["data", "audit", "--data", "images", "--classes", "one"], "class names"),
        (["data", "audit", "--data", "images", "--html", "nowhere/page.html"], "--html"),
        (["data", "audit", "--data", "images", "--html", "file.html"], "file.csv holds decisions"),
        (["data", "audit", "--data", "images", "--preset", "nothing"], "nothing"),
        (["data", "audit", "--data", "images", "--work", "file"], "--work"),
    ],
    "kubeflow compile": [
        (["kubeflow", "compile", "--image", "Brain MRI"], "is not the name of a container image"),
        (["kubeflow", "compile", "--image", "x", "--cluster", "nowhere.yaml"], "nowhere.yaml"),
    ],
    "kubeflow rehearse": [(["kubeflow", "rehearse", "nowhere.yaml"], "nowhere.yaml cannot be")],
    "kubeflow check": [(["kubeflow", "check", "nowhere.yaml"], "nowhere.yaml cannot be read")],
    "kubeflow submit": [(["kubeflow", "submit", "file.yaml"], "file.yaml")],
    "kubeflow schedule": [
        (["kubeflow", "schedule", "file.yaml", "--cron", "@daily"], "file.yaml"),
    ],
    "kubeflow runs show": [(["kubeflow", "runs", "show", "x", "--host", "ftp://x"], "--host")],
    "kubeflow runs stop": [(["kubeflow", "runs", "stop", "x"], "give --host")],
    "doctor": [(["doctor", "--wrok", "x"], "No such option")],
    "clean": [
        (["clean", "--keep", "1"], "There is no work folder"),
        (["clean", "--keep", "few"], "--keep"),
    ],
}  # fmt: skip


EMPTY = [
    ["run", "--data", ""],
    ["run", "--work", " "],
    ["run", "--set", ""],
    ["models", "list", "--work", ""],
    ["models", "show", ""],
    ["report", "--compare", "a", ""],
    ["predict", ""],
    ["batch", "images", ""],
    ["serve", "--request-log", ""],
    ["serve", "files", ""],
    ["data", "sample", ""],
    ["data", "inspect", ""],
    ["data", "audit", "--data", ""],
    ["kubeflow", "compile", "--image", "x", "--out", ""],
    ["kubeflow", "runs", "show", ""],
]
"""What a shell makes of a variable that is not set."""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a file, an empty folder, and two class folders of one image each."""
    for name in ("file", "file.csv", "file.yaml"):
        (tmp_path / name).write_text("text")
    for name in ("empty", "images/glioma", "images/notumor"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("scan.png", "images/glioma/a.png", "images/notumor/b.png"):
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "says"), [case for cases in WRONG.values() for case in cases], ids=str
)
def test_a_wrong_value_is_exit_code_2(place, words, says):
    result = mri(*words, folder=place)
    assert result.returncode == ExitCode.USAGE, result.stderr
    assert says in " ".join(result.stderr.replace("│", " ").split())
    assert "Traceback" not in result.stdout + result.stderr


@pytest.mark.parametrize("words", EMPTY, ids=str)
def test_an_empty_value_is_refused_by_name(place, words):
    before = sorted(place.rglob("*"))
    result = mri(*words, folder=place)
    assert result.returncode == ExitCode.USAGE, result.stderr
    assert re.search(r"Invalid value for '\S+.*': it is empty", result.stderr)
    assert sorted(place.rglob("*")) == before


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["kubeflow", "runs", "show", "x", "--host", _SILENT], "does not answer"),
        (["doctor", "--work", "file"], "is a file"),
        (["clean", "--keep", "1"], "Another command is using"),
    ],
    ids=str,
)
def test_a_failure_is_exit_code_1(place, words, says):
    with Work(place / "work").shared():
        result = mri(*words, folder=place)
    assert result.returncode == ExitCode.FAILED
    assert says in " ".join((result.stdout + result.stderr).split())


def _names(command: Any, above: str = "") -> list[str]:
    """The commands below one, and itself if it does something alone."""
    found = [above] if not getattr(command, "no_args_is_help", False) and above else []
    for name, one in getattr(command, "commands", {}).items():
        found += _names(one, f"{above} {name}".strip())
    return found


def test_every_command_is_among_them():
    command = typer.main.get_command(app)
    assert isinstance(command, LazyGroup)
    command.load_all()
    assert sorted(set(_names(command))) == sorted(WRONG)


def test_the_table_in_the_documents_has_every_exit_code():
    page = (Path(__file__).parents[2] / "docs" / "running.md").read_text()
    table = page.partition("## Exit codes")[2].partition("\n## ")[0]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)] == [*ExitCode]


@pytest.mark.parametrize("kind", [PipelineError, UsageError])
def test_the_kind_of_an_error_comes_through_beam(kind):
    with pytest.raises(PipelineError, match=r"^wrong\.$") as caught, through_beam():
        raise kind("wrong. [while running 'Read']")
    assert caught.type is kind
    with pytest.raises(PipelineError, match=r"^wrong\.$") as caught, through_beam():
        raise RuntimeError(f"Trace\ncomponents.errors.{kind.__name__}: wrong.\n")
    assert caught.type is kind


@pytest.mark.parametrize(
    ("error", "kind"),
    [(FileNotFoundError(2, "x"), UsageError), (OSError(28, "full"), PipelineError)],
)
def test_a_full_disk_is_no_wrong_path(error, kind):
    assert path_error(error) is kind
