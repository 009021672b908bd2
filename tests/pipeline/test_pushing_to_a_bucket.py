"""A bucket follows what runs push and what people decide, and what kept it from that is made up."""

import io

import pytest
from bucket_server import BUCKET, refuse
from commands import decide, list_models
from pushing import PushRuns
from rich.console import Console

from components.bucket import BucketFolder
from components.bucket_versions import list_versions
from components.errors import PipelineError
from components.push.publishing import set_bucket
from mri.models import publish as publish_command

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore:label:DeprecationWarning")]

MODELS = BucketFolder(BUCKET, "models/brain_mri")


@pytest.fixture
def runs(tmp_path, monkeypatch, bucket_server) -> PushRuns:
    runs = PushRuns(tmp_path / "work", monkeypatch)
    set_bucket(runs.registry.base, f"s3://{BUCKET}/models")
    return runs


def served(server) -> str:
    """The graph that a server of the bucket's highest whole version has."""
    whole = [int(name) for name, one in list_versions(MODELS).items() if one.whole]
    return server.get(f"models/brain_mri/{max(whole)}/saved_model.pb").decode()


def said(command, runs, *words, **flags) -> str:
    console = Console(file=io.StringIO(), width=300)
    command(console, runs.registry.work.root, *words, **flags)
    return console.file.getvalue()


def _refuse_to_write(method: str, path: str):
    return refuse("403 Forbidden", "AccessDenied") if method == "PUT" else None


def test_a_run_pushes_to_the_bucket_too_and_later_runs_only_look(runs, bucket_server):
    pushed = runs.run().pushed
    assert f"models/brain_mri/{pushed.name}/assets.extra/model_card.md" in bucket_server.listed()
    assert served(bucket_server) == "graph"
    bucket_server.requests.clear()
    assert runs.run().result.nodes[-1].state == "cached"
    assert {method for method, _ in bucket_server.requests} == {"GET"}
    assert runs.run(model="Other").result.nodes[-1].state == "done"
    assert served(bucket_server) == "other graph"


def test_a_push_that_did_not_reach_the_bucket_reaches_it_with_the_next_run(runs, bucket_server):
    bucket_server.trouble = _refuse_to_write
    with pytest.raises(PipelineError, match=r"s3://hospital/models/.*: access is denied"):
        runs.run()
    assert bucket_server.listed() == []
    bucket_server.trouble = None
    assert runs.run().pushed
    assert served(bucket_server) == "graph"


def test_what_was_removed_from_the_bucket_comes_back_with_the_next_run(runs, bucket_server):
    version = runs.run().pushed.name
    bucket_server.delete(f"models/brain_mri/{version}/saved_model.pb")
    assert runs.run().result.nodes[-1].state == "done"
    assert served(bucket_server) == "graph"


def test_a_rollback_and_an_approval_reach_the_bucket(runs, bucket_server):
    runs.run()
    runs.run(model="Other")
    console = said(decide, runs, None, "rollback", "complaints")
    assert f"published {MODELS}/" in console
    assert served(bucket_server) == "graph"
    assert runs.run(model="Other", push="after_review").pushed is None
    assert served(bucket_server) == "graph"


def test_a_decision_that_does_not_reach_the_bucket_stands_and_is_sent_later(runs, bucket_server):
    runs.run()
    runs.run(model="Other")
    bucket_server.trouble = _refuse_to_write
    with pytest.raises(
        PipelineError, match=r"decision was carried out.*access is denied.*publish`"
    ):
        said(decide, runs, None, "rollback", "complaints")
    assert runs.registry.served() == "graph"
    assert served(bucket_server) == "other graph"
    bucket_server.trouble = None
    console = Console(file=io.StringIO())
    work = runs.registry.work.root
    publish_command.__wrapped__(console, None, work, None)
    assert served(bucket_server) == "graph"
    assert "published s3://" in console.file.getvalue()
    publish_command.__wrapped__(console, None, work, None)
    assert "holds all versions already" in console.file.getvalue()


def test_the_list_of_models_names_the_bucket(runs):
    runs.run()
    assert f"brain_mri is published to {MODELS}\n" in said(list_models, runs)


def test_a_bucket_may_be_named_when_models_are_there(tmp_path, monkeypatch, bucket_server):
    runs = PushRuns(tmp_path / "work", monkeypatch)
    runs.run()
    console = Console(file=io.StringIO())
    work = runs.registry.work.root
    with pytest.raises(PipelineError, match="No bucket was named for brain_mri yet"):
        publish_command.__wrapped__(console, None, work, None)
    publish_command.__wrapped__(console, f"s3://{BUCKET}/models", work, None)
    assert served(bucket_server) == "graph"
