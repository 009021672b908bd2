"""Releases of Kubeflow Pipelines: what their own schemas take, and when they begin a task again."""

import pytest
from compiled import IMAGE
from kfp_wheels import WHEELS, refusal, schema
from toy_run import mri

from components.errors import UsageError
from kubeflow.backends import BACKENDS, Retry, find_backend
from kubeflow.cluster import Cluster, Resources, Secret, Toleration
from kubeflow.compile import compile_for_kubeflow
from pipeline.config import load_config

pytestmark = pytest.mark.long

POLICY = Retry(count=2, first=30, factor=2, window=600)


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """The sample pipeline, compiled with everything that a cluster's description can say."""
    folder = tmp_path_factory.mktemp("sample")
    gpu = Resources(cpu_limit="4", accelerator="nvidia.com/gpu", accelerators=2)
    cluster = Cluster(
        secrets=(Secret(secret="salt", key="salt", variable="MRI_PATIENT_SALT"),),
        environment={"TZ": "UTC"},
        nodes={"Trainer": gpu},
        node_selector={"pool": "training"},
        tolerations=(
            Toleration(key="gpu", operator="Exists", effect="NoExecute", toleration_seconds=60),
        ),
        image_pull_secrets=("registry",),
        artifact_root="s3://team/kubeflow",
    )
    file = folder / "pipeline.yaml"
    compile_for_kubeflow(load_config("sample", []), IMAGE, file, cluster)
    return file


def test_there_are_schemas_for_all():
    assert list(WHEELS) == [backend.version for backend in BACKENDS]


@pytest.mark.parametrize("release", WHEELS)
def test_its_own_schema_takes_the_compiled_sample(release, sample, tmp_path):
    assert refusal(sample, schema(release, tmp_path)) == ""


@pytest.mark.parametrize("release", WHEELS)
def test_its_own_schema_refuses_what_the_table_says(release, sample, tmp_path):
    unpacked = schema(release, tmp_path)
    file = tmp_path / "optional.yaml"
    old = sample.read_text().replace(
        "secretAsEnv:\n          - ", "secretAsEnv:\n          - optional: false\n            "
    )
    assert old.count("optional: false") == 16
    file.write_text(old)
    said = refusal(file, unpacked)
    unknown = ("secretAsEnv", "optional") in find_backend(release).unknown
    assert ('has no field named "optional"' in said) == unknown
    assert unknown or not said


@pytest.mark.parametrize("version", ["2.14", "2.17", "2.17.3"])
def test_releases_that_are_known(version):
    assert version.startswith(find_backend(version).version)


@pytest.mark.parametrize("version", ["", "2", "2.4", "2.13", "2.18", "v2.17", "latest"])
def test_releases_that_are_not(version):
    with pytest.raises(
        UsageError, match=rf"^--backend '{version}' is .* 2\.15, 2\.16, 2\.17\. Older"
    ):
        find_backend(version)


@pytest.mark.parametrize(
    ("fate", "attempt", "elapsed", "waits"),
    [
        ("ended", 1, 0, 30),
        ("ended", 2, 100, 60),
        ("ended", 3, 100, None),  # no more are left
        ("ended", 1, 570, 30),
        ("ended", 1, 571, None),  # would begin after the window
        ("late", 2, 600, None),
        ("lost", 1, 0, None),
    ],
)
def test_after_a_failure(fate, attempt, elapsed, waits):
    for version in ("2.14", "2.15", "2.16"):
        assert find_backend(version).after(POLICY, fate, attempt, elapsed).wait == waits
    other = {"lost": 30, "ended": None, "late": None}
    assert find_backend("2.17").after(POLICY, fate, attempt, elapsed).wait == other[fate]


def test_waits_stay_where_the_file_gives_no_factor():
    assert [Retry(9, 30, 0, 600).wait(attempt) for attempt in (1, 2, 9)] == [30, 30, 30]


@pytest.mark.parametrize(("command", "file"), [("compile", "--out"), ("rehearse", "")])
def test_the_commands_refuse_a_release_that_is_not_known(command, file, tmp_path):
    path = tmp_path / "pipeline.yaml"
    words = ["--image", IMAGE, file, str(path)] if file else [str(path)]
    result = mri("kubeflow", command, *words, "--backend", "2.4")
    assert result.returncode == 2
    assert "'2.4' is not among the releases of Kubeflow Pipelines that are known" in result.stderr
    assert not path.exists()
