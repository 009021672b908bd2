import subprocess
import sys

import pytest
from mri_command import mri

pytestmark = pytest.mark.long

HEAVY = ("tensorflow", "tfx", "apache_beam", "keras", "numpy", "pydantic", "ml_metadata")


@pytest.mark.parametrize(
    "command",
    [[], ["run"], ["predict"], ["doctor"], ["data", "sample"], ["batch"], ["monitor"],
     ["serve", "bench"], ["serve", "files"], ["schedule"], ["watch"], ["clean"]],
)  # fmt: skip
def test_every_command_explains_itself(command):
    result = mri(*command, "--help")
    assert result.returncode == 0
    assert "Usage:" in result.stdout
    if command not in ([], ["doctor"]):
        assert "Example" in result.stdout
    assert result.stderr == ""


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from mri import main as cli\n"
        "try: cli.app(['--help'])\n"
        "except SystemExit: pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["run", "--preset", "smaple"], 2, "did you mean 'sample'"),
        (["run", "--set", "train.epoch=3"], 2, "did you mean 'epochs'"),
        (["run", "--set", "train.epochs"], 2, "KEY=VALUE"),
        (["runn"], 2, "No such command"),
        (["clean"], 2, "Missing option '--keep'"),
        (["clean", "--keep", "-1"], 2, "keep"),
        (["clean", "--keep", "1"], 2, "There is no work folder"),
        (["predict"], 2, "Missing argument"),
        (["predict", "scan.jpg"], 2, "There is no pushed model in work"),
        (["predict", "scan.jpg", "--model", "nowhere"], 2, "holds no SavedModel"),
        (["data", "sample", "out", "--per-class", "0"], 2, "per-class"),
        (["data", "sample", "out", "--per-class", "many"], 2, "per-class"),
    ],
)
def test_wrong_use_is_answered_in_words(tmp_path, arguments, code, says):
    result = mri(*arguments, folder=tmp_path)
    assert result.returncode == code
    assert says in " ".join(result.stderr.replace("│", " ").split())
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda folder: None, "There is no folder"),
        (lambda folder: folder.mkdir(), "0 class folders"),
        (lambda folder: (folder / "glioma").mkdir(parents=True), "1 class folder (glioma)"),
    ],
)
def test_unusable_data_folders_are_answered_in_words(tmp_path, make, says):
    make(tmp_path / "data")
    result = mri(
        "run", "--preset", "ci", "--data", "data", "--set", "model.weights=random", folder=tmp_path
    )
    assert result.returncode == 2
    assert says in " ".join(result.stderr.split())
    assert "Traceback" not in result.stdout + result.stderr


def test_doctor_finds_what_a_run_needs(tmp_path):
    result = mri("doctor", "--work", str(tmp_path / "work"))
    assert result.returncode == 0, result.stdout
    for subject in ("tensorflow", "tfx", "Python", "memory", "disk", "VGG16 weights"):
        assert subject in result.stdout
    assert not (tmp_path / "work").exists()


def test_doctor_finds_a_file_where_the_work_folder_should_be(tmp_path):
    (tmp_path / "work").touch()
    result = mri("doctor", "--work", str(tmp_path / "work"))
    assert result.returncode == 1
    assert "is a file: choose another" in " ".join(result.stdout.split())
