"""`mri kubeflow check` itself, against servers on loopback."""

import kfp_server
import kubernetes_server
import mri_command
import pytest

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    return kubernetes_server.compile_trainer(tmp_path_factory.mktemp("check") / "pipeline.yaml")


@pytest.fixture
def ask(tmp_path, compiled):
    """Runs the command, on a cluster that lacks nothing; its exit code, and what it said."""
    with kfp_server.running() as server, kubernetes_server.running() as cluster:
        cluster.complete()
        where = {
            "KUBECONFIG": str(cluster.kubeconfig(tmp_path / "kubeconfig")),
            "MRI_KFP_HOST": server.address,
            "COLUMNS": "200",
        }

        def run(*flags, **more):
            done = mri_command.mri("kubeflow", "check", str(compiled), *flags, **{**where, **more})
            assert done.stderr == ""
            return done.returncode, done.stdout

        run.cluster = cluster
        yield run


def test_nothing_is_missing(ask):
    code, said = ask("--inside")
    assert (code, "--" in said, "??" in said) == (0, False, False)
    assert "ok  version" in said
    code, said = ask()
    assert (code, "??  inside the volume" in said) == (0, True)


def test_something_is_missing(ask):
    ask.cluster.objects.clear()
    code, said = ask()
    assert code == 1
    assert "--  volume mri-work" in said


def test_one_server_is_enough_and_none_is_too_few(ask, tmp_path):
    nowhere = {"KUBECONFIG": str(tmp_path / "none")}
    code, said = ask(**nowhere)
    assert (code, "??  Kubernetes" in said) == (0, True)
    code, said = ask(MRI_KFP_HOST="")
    assert (code, "??  Kubeflow" in said) == (0, True)
    code, said = ask(MRI_KFP_HOST="", **nowhere)
    assert (code, "??  Kubeflow" in said, "??  Kubernetes" in said) == (1, True, True)
