"""The Dockerfile and render.yaml, as far as they can be checked without an engine.

What is only tried by building: that the base image and the registry are reached, and file modes.
"""

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

import httpx
import pytest
import yaml
from dicom_files import file
from fake_server import running
from model_server import free_port, running_server, strings, wait_until
from page import model, png
from required import names_of, normal, only
from web_command import serving

from serving.server.flags import parse_flags

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[1]
BEAM_IMAGE = "apache/beam_python3.13_sdk:2.77.0"
Stage = list[tuple[str, str]]


@pytest.fixture(scope="module")
def stages() -> dict[str, Stage]:
    """Instructions by stage."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    found: dict[str, Stage] = {}
    for line in text.replace("\\\n", " ").splitlines():
        if not line.strip():
            continue
        word, rest = line.split(maxsplit=1)
        if word == "FROM":
            _, _, name = rest.partition(" AS ")
            stage = found[name] = []
        stage.append((word, rest))
    return found


def lineage(stages: dict[str, Stage], name: str) -> Iterator[tuple[str, str]]:
    """A stage's instructions with those of what it begins from, the first ones first."""
    parent = stages[name][0][1].split()[0]
    if parent in stages:
        yield from lineage(stages, parent)
    yield from stages[name][1:]


def last(stages: dict[str, Stage], name: str, word: str) -> str:
    return [rest for found, rest in lineage(stages, name) if found == word][-1]


def command(stages: dict[str, Stage], name: str) -> list[str]:
    return yaml.safe_load(last(stages, name, "ENTRYPOINT")) + yaml.safe_load(
        last(stages, name, "CMD")
    )


def test_there_is_a_target_for_each_purpose_and_everything_is_the_default(stages) -> None:
    assert {"pipeline", "server", "page", "render", "beam"} <= set(stages)
    assert list(stages)[-1] == "pipeline"


@pytest.mark.parametrize("target", ["pipeline", "server", "page", "render", "beam"])
def test_an_image_runs_as_an_ordinary_user(stages, target: str) -> None:
    words = list(lineage(stages, target))
    assert last(stages, target, "USER") == "1000"  # Kubernetes cannot tell who a name is
    assert any("useradd" in rest and "--uid 1000" in rest for _, rest in words)


def test_what_is_copied_is_there_and_not_left_out_of_the_context(stages) -> None:
    kept = (ROOT / ".dockerignore").read_text().splitlines()
    for name, stage in stages.items():
        for word, rest in stage:
            if word != "COPY":
                continue
            source, *_ = [part for part in shlex.split(rest) if not part.startswith("--")]
            origin = re.search(r"--from=(\S+)", rest)
            if origin:
                assert origin[1] in stages or (name, origin[1]) in (
                    ("render", "model"),
                    ("beam", BEAM_IMAGE),
                )
            elif source != ".":
                assert (ROOT / source).exists(), source
                assert f"!{Path(source).parts[0]}" in kept, source


def test_the_small_images_hold_what_their_requirements_name(stages) -> None:
    for target, parts in (
        ("server-environment", {"server.in"}),
        ("page-environment", {"page.in"}),
        ("render-environment", {"page.in", "server.in"}),
        ("examples", {"page.in", "sample.in"}),
    ):
        asked = [rest for word, rest in lineage(stages, target) if "--only" in rest]
        assert {
            Path(part).name for rest in asked for part in re.findall(r"--only (\S+)", rest)
        } == (parts)
        assert all(rest.endswith("/app/requirements/lock.txt") for rest in asked)


def test_a_worker_of_beam_has_the_version_of_the_lock_file(stages) -> None:
    lock = (ROOT / "requirements" / "lock.txt").read_text()
    versions = re.findall(
        r"^apache-beam==(\S+) ; python_full_version >= '3.11'", lock, re.MULTILINE
    )
    assert versions == [BEAM_IMAGE.rpartition(":")[2]]
    assert stages["base"][0] == ("FROM", "python:3.13-slim-trixie AS base")
    assert dict(lineage(stages, "beam"))["ENTRYPOINT"] == '["/opt/apache/beam/boot"]'


@pytest.mark.parametrize("target", ["pipeline", "beam"])
def test_python_is_the_environments_with_our_packages(stages, target: str) -> None:
    said = " ".join(rest for word, rest in lineage(stages, target) if word == "ENV")
    assert "PATH=/opt/brain-mri/environment/bin:$PATH" in said
    assert "PYTHONPATH=/app" in said
    made = [rest for word, rest in stages["environment"] if word == "RUN"]
    assert any('ln -s "$(/app/bin/python --show-environment)"' in rest for rest in made)
    shown = subprocess.run(
        [ROOT / "bin" / "python", "--show-environment"],
        capture_output=True, text=True, check=True,
        env={**os.environ, "BRAIN_MRI_CACHE": "/opt/brain-mri"},
    )  # fmt: skip
    assert shown.stdout.startswith("/opt/brain-mri/env-")


def test_their_commands_are_understood(stages) -> None:
    server = command(stages, "server")
    assert server[:3] == ["python", "-m", "serving.server"]
    flags, without_effect = parse_flags(server[3:])
    assert not without_effect
    assert (flags.bind_address, flags.port, flags.rest_api_port) == ("0.0.0.0", 8500, 8501)
    for target in ("page", "render"):
        words = command(stages, target)
        assert words[:4] == ["python", "-m", "mri", "web"]
        assert words[words.index("--port") + 1] == last(stages, target, "EXPOSE")
        assert words[words.index("--host") + 1] == "0.0.0.0"
    assert "--server" not in command(stages, "render")


def test_render_runs_what_the_target_offers(stages) -> None:
    [service] = yaml.safe_load((ROOT / "render.yaml").read_text())["services"]
    assert (service["type"], service["runtime"]) == ("web", "image")
    assert service["image"]["url"]
    assert service["numInstances"] == 1  # limits and metrics are kept in the page's memory
    variables = {one["key"]: one for one in service["envVars"]}
    assert variables["SECRET_KEY"] == {"key": "SECRET_KEY", "generateValue": True}
    assert variables["PORT"]["value"] == last(stages, "render", "EXPOSE")
    assert all(isinstance(one.get("value", ""), str) for one in variables.values())
    with running(model()) as server:
        arguments = ("--server", server.address, "--port", str(free_port()))
        values = {name: one["value"] for name, one in variables.items() if "value" in one}
        with serving(*arguments, SECRET_KEY="a secret of a test", **values) as page:
            assert httpx.get(page + service["healthCheckPath"], timeout=120).status_code == 200


def test_the_small_images_take_nothing_that_is_not_locked() -> None:
    lock = (ROOT / "requirements" / "lock.txt").read_text()
    locked = {normal(name) for name in re.findall(r"^([\w.-]+)==", lock, re.MULTILINE)}
    assert names_of("page.in", "server.in", "sample.in") - locked == set()
    installed = {normal(one.name) for one in distributions()}
    assert names_of("page.in").isdisjoint({"tensorflow", "tfx", "keras", "nilearn"})
    assert "tfx" not in names_of("server.in")
    assert "tfx" in installed


def test_the_page_needs_no_more_than_its_image_has(tmp_path: Path) -> None:
    with only(tmp_path, "page.in") as variables, running(model()) as server:
        arguments = ("--server", server.address, "--port", str(free_port()))
        with serving(*arguments, **variables) as page:
            for content in (png(), file()):
                address = f"{page}/api/v1/predict?explain=1"
                answer = httpx.post(address, content=content, timeout=120)
                assert answer.status_code == 200, answer.text


def test_the_server_needs_no_more_than_its_image_has(tmp_path: Path) -> None:
    from small_model import save

    save(tmp_path / "models" / "3")
    flags = (f"--model_base_path={tmp_path / 'models'}", "--enable_grpc_healthcheck_service")
    log = (f"--request_log_dir={tmp_path / 'requests'}", "--request_log_rows=1")
    with (
        only(tmp_path, "server.in") as variables,
        running_server(tmp_path, *flags, *log, env=variables) as server,
    ):
        server.wait_for({3: "AVAILABLE"})
        answer = server.predict({"image_bytes": strings(png())})
        assert answer.outputs["label"].string_val
        assert server.rest("/v1/models/default")[0] == 200
        wait_until(lambda: list((tmp_path / "requests").rglob("[!.]*.parquet")))
