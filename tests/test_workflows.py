"""What GitHub runs and Renovate reads, as far as it can be checked without them."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.y*ml"))
PINNED = re.compile(
    r"(?P<action>[\w.-]+/[\w./-]+)@(?P<digest>[0-9a-f]{40}) # (?P<tag>v\d+\.\d+\.\d+)"
)
LEAST: list[dict[str, str]] = [{}, {"contents": "read"}]

each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)


def load(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def steps(path: Path) -> Iterator[dict[str, Any]]:
    for job in load(path)["jobs"].values():
        yield from job["steps"]


def used(path: Path) -> list[str]:
    """What follows `uses:`, comments included."""
    return re.findall(r"^[ -]*uses: *(.*?) *$", path.read_text(encoding="utf-8"), re.MULTILINE)


def test_there_are_workflows_for_changes_audits_and_releases() -> None:
    assert {path.stem for path in WORKFLOWS} >= {"test", "audit", "release"}


@each_workflow
def test_an_action_is_pinned_by_its_digest_beside_its_version(path: Path) -> None:
    found = used(path)
    assert len(found) == len([step for step in steps(path) if "uses" in step]) > 0
    assert [one for one in found if not PINNED.fullmatch(one)] == []


def test_an_action_has_one_version_in_all_workflows() -> None:
    versions = defaultdict(set)
    for match in filter(None, (PINNED.fullmatch(one) for path in WORKFLOWS for one in used(path))):
        versions[match["action"]].add((match["digest"], match["tag"]))
    assert {action: found for action, found in versions.items() if len(found) > 1} == {}


@each_workflow
def test_a_workflow_may_read_at_most_and_a_job_says_what_it_writes(path: Path) -> None:
    workflow = load(path)
    assert workflow["permissions"] in LEAST
    for job in workflow["jobs"].values():
        assert isinstance(job.get("permissions", {}), dict)  # not "write-all"


def test_only_a_release_may_write_or_ask_for_a_token() -> None:
    for path in WORKFLOWS:
        jobs = load(path)["jobs"].values()
        writing = [job for job in jobs if "write" in job.get("permissions", {}).values()]
        assert bool(writing) == (path.stem == "release"), path.name


@each_workflow
def test_a_checkout_leaves_no_credentials_behind(path: Path) -> None:
    for step in steps(path):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@each_workflow
def test_no_script_is_put_together_from_what_an_event_says(path: Path) -> None:
    assert [step["run"] for step in steps(path) if "${{" in step.get("run", "")] == []


@each_workflow
def test_a_job_ends_by_itself(path: Path) -> None:
    assert all("timeout-minutes" in job for job in load(path)["jobs"].values())


def test_every_promised_python_is_tested() -> None:
    metadata = "".join((ROOT / name).read_text("utf-8") for name in ("setup.py", "pyproject.toml"))
    promised = re.findall(r"Programming Language :: Python :: (3\.\d+)", metadata)
    assert len(promised) > 1
    job = load(ROOT / ".github" / "workflows" / "test.yml")["jobs"]["test"]
    assert sorted(job["strategy"]["matrix"]["python"]) == sorted(promised)
    assert job["env"]["BRAIN_MRI_PYTHON"] == "python${{ matrix.python }}"
    runs = {step["run"]: step["if"] for step in job["steps"] if "if" in step}
    assert runs == {  # whichever it is, the tests run
        "bash .ci/run": "matrix.python == '3.13'",
        "make test": "matrix.python != '3.13'",
    }


def test_a_release_is_of_a_tag_that_names_a_version() -> None:
    workflow = load(ROOT / ".github" / "workflows" / "release.yml")
    assert workflow[True] == {"push": {"tags": ["v[0-9]+.[0-9]+.[0-9]+"]}}  # YAML 1.1 reads "on" so


def test_a_release_publishes_what_was_tested_and_signed() -> None:
    jobs = load(ROOT / ".github" / "workflows" / "release.yml")["jobs"]
    assert "bash .ci/run" in [step.get("run") for step in jobs["build"]["steps"]]
    assert jobs["attest"]["needs"] == jobs["images"]["needs"] == "build"
    assert set(jobs["publish"]["needs"]) == {"attest", "images"}
    assert jobs["publish"]["permissions"] == {"id-token": "write"}  # no password, no token kept
    assert jobs["release"]["needs"] == "publish"


def test_every_released_image_is_a_target_of_the_dockerfile() -> None:
    stages = re.findall(r"^FROM \S+ AS (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    job = load(ROOT / ".github" / "workflows" / "release.yml")["jobs"]["images"]
    targets = {one["target"] for one in job["strategy"]["matrix"]["include"]}
    assert targets == {"pipeline", "server", "page", "beam"}
    assert targets <= set(stages)


def test_renovate_reads_every_lock_file() -> None:
    settings = json.loads((ROOT / ".github" / "renovate.json").read_text(encoding="utf-8"))
    (pattern,) = settings["pip-compile"]["managerFilePatterns"]
    files = [f"requirements/{path.name}" for path in (ROOT / "requirements").glob("lock*.txt")]
    assert len(files) == 2
    assert all(re.search(pattern.strip("/"), file) for file in files)
    assert "docker:pinDigests" in settings["extends"]


@pytest.mark.parametrize("name", ["lock.txt", "lock-gpu.txt"])
def test_a_lock_file_begins_with_the_command_that_renovate_gives_again(name: str) -> None:
    header, command = (ROOT / "requirements" / name).read_text(encoding="utf-8").splitlines()[:2]
    assert header == "# This file was autogenerated by uv via the following command:"
    begin, *words = command.split()
    assert [begin, *words[:3]] == ["#", "uv", "pip", "compile"]
    sources = [word for word in words[3:] if not word.startswith("-")]
    assert sources
    assert all((ROOT / "requirements" / source).is_file() for source in sources)
    options = dict(word.partition("=")[::2] for word in words[3:] if word.startswith("-"))
    assert options.pop("--output-file") == name
    assert options.pop("--constraints", "lock.txt") == "lock.txt"
    assert options == {"--universal": "", "--python-version": "3.10", "--generate-hashes": ""}
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ").split()
    assert set(words) <= set(recipe)
