"""What is served, decided by thresholds and by people, as a user sees it."""

import json
from pathlib import Path

import numpy as np
import pytest
from drawing import encode
from toy_run import mri, run

EASY = (
    "--set", "train.epochs=12", "--set", "train.learning_rate=0.003",
    "--set", "evaluate.min_class_recall=0.5", "--set", "gate.severity={drift: warn}",
)  # fmt: skip
CLASSES = ("glioma", "notumor")


def _folder(root: Path, *, swapped: bool = False, seed: int = 0) -> Path:
    """Images that a toy tells apart: a bright half at the left, or at the right."""
    random = np.random.default_rng(seed)
    for split, count in (("Training", 24), ("Testing", 6)):
        for side, label in enumerate(CLASSES):
            shown = 1 - side if swapped and split == "Training" else side
            folder = root / split / label
            folder.mkdir(parents=True)
            for index in range(count):
                pixels = random.integers(20, 70, (40, 40, 3), dtype=np.uint8)
                half = slice(0, 20) if shown == 0 else slice(20, 40)
                pixels[:, half] += 150
                (folder / f"{index:02}.png").write_bytes(encode(pixels))
    return root


def _served(work: Path) -> list[str]:
    return sorted(path.name for path in (work / "serving" / "brain_mri").glob("*"))


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("decision")
    result = run(_folder(root / "good"), root / "work", *EASY)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "precision    recall  f1-score   support" in result.stdout
    assert "a tumour is found in" in result.stdout
    return root / "work"


@pytest.mark.slow
def test_a_model_that_learnt_swapped_labels_is_refused_and_the_served_one_stays(work):
    before = _served(work)
    result = run(_folder(work.parent / "swapped", swapped=True, seed=1), work, *EASY)
    assert result.returncode == 4, result.stdout + result.stderr
    assert "recall of glioma is 0." in result.stdout
    assert "(limit: at least 0.500)" in result.stdout
    assert _served(work) == before
    listed = json.loads(mri("models", "list", "--json", "--work", str(work)).stdout)
    assert [one["state"] for one in listed] == ["refused", "served"]
    assert any("recall of glioma" in reason for reason in listed[0]["reasons"])


@pytest.mark.slow
def test_with_after_review_nothing_is_pushed_before_approve_and_rollback_takes_it_back(work):
    before = _served(work)
    data = _folder(work.parent / "second", seed=2)
    result = run(data, work, *EASY, "--set", "push=after_review", "--set", "evaluate.compare=false")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "mri models approve|reject" in result.stdout
    assert _served(work) == before
    report = Path(mri("report", "--work", str(work)).stdout.strip())
    assert "waits for a person" in report.read_text(encoding="utf-8")
    run_id = json.loads(mri("models", "show", "--json", "--work", str(work)).stdout)["run"]

    approved = mri("models", "approve", run_id, "--reason", "read it", "--work", str(work))
    assert approved.returncode == 0, approved.stderr
    assert approved.stderr == ""
    [added] = set(_served(work)) - set(before)
    assert added > max(before)
    card = work / "serving" / "brain_mri" / added / "assets.extra" / "model_card.json"
    assert json.loads(card.read_text())["changelog"][0]["reason"] == "read it"
    image = data / "Testing" / "glioma" / "00.png"
    assert mri("predict", str(image), "--work", str(work)).returncode == 0

    back = mri("models", "rollback", "--reason", "complaints", "--work", str(work))
    assert back.returncode == 0, back.stderr
    assert max(_served(work)) > added
    listed = json.loads(mri("models", "list", "--json", "--work", str(work)).stdout)
    assert listed[0]["state"] == "withdrawn"
    assert listed[-1]["state"] == "served"
    # What was decided stays decided: the same run again changes nothing.
    versions = _served(work)
    again = run(data, work, *EASY, "--set", "push=after_review", "--set", "evaluate.compare=false")
    assert again.returncode == 4, again.stdout + again.stderr
    assert "went back to an earlier one" in again.stdout
    assert _served(work) == versions


def test_a_decision_without_a_reason_is_a_usage_error(tmp_path):
    result = mri("models", "approve", "2026", "--work", str(tmp_path))
    assert result.returncode == 2
    assert "--reason" in result.stderr
