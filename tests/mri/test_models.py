import errno
import io
import json
from pathlib import Path

import ml_metadata as mlmd
import pytest
from commands import decide, list_models, show_model
from registering import MADE, RUNS, Registry
from rich.console import Console

from components.errors import PipelineError
from components.evaluate.report.card import ModelCard
from pipeline.registry import find_model, read_models
from pipeline.states import TRANSITIONS, Event, ModelState


@pytest.fixture
def registry(tmp_path) -> Registry:
    return Registry(tmp_path / "work")


def _said(command, registry, *words, **settings) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=200, highlight=False)
    command(console, registry.work.root, *words, **settings)
    return stream.getvalue()


def _states(registry) -> list[str]:
    return [one["state"] for one in json.loads(_said(list_models, registry, as_json=True))]


def test_models_are_listed_with_what_became_of_them(registry):
    registry.add(0)
    registry.add(1, blessed=False)
    registry.add(2, push="after_review")
    assert _states(registry) == ["waits for review", "refused", "served"]
    table = _said(list_models, registry)
    for words in (RUNS[0], str(MADE), "0.900", "incoming (leak_free)"):
        assert words in table


def test_a_model_that_the_serve_check_refused_is_refused_and_says_why(registry):
    model_id = registry.add(0, push="after_review")
    registry.check(0, model_id, blessed=False)
    assert _states(registry) == ["refused"]
    shown = json.loads(_said(show_model, registry, RUNS[0], as_json=True))
    assert shown["blessed"] is False
    assert shown["reasons"] == ["The server answered otherwise."]
    with pytest.raises(PipelineError, match="was refused by the serve check"):
        _said(decide, registry, RUNS[0], "approve", "reason")
    registry.check(1, model_id, blessed=True)
    assert _states(registry) == ["waits for review"]


def test_where_there_is_no_model_that_is_said(registry):
    assert "no model yet" in _said(list_models, registry)
    with pytest.raises(PipelineError, match="no model yet"):
        _said(show_model, registry, None)


def test_a_model_is_shown_by_run_beginning_or_version(registry):
    registry.add(0)
    registry.add(1)
    for name in (RUNS[0], "2026-01-01", str(MADE)):
        shown = json.loads(_said(show_model, registry, name, as_json=True))
        assert shown["run"] == RUNS[0]
        assert shown["data_fingerprint"] == "now"
        assert shown["state"] == "pushed"
        assert shown["recipe"] == ["train.epochs=3", "model.weights=imagenet"]
    # In the second run the first model was what the other was compared with.
    assert json.loads(_said(show_model, registry, RUNS[1], as_json=True))["versions"] == [
        str(MADE + 1)
    ]
    assert RUNS[1] in _said(show_model, registry, None)
    with pytest.raises(PipelineError, match="No run or version is named '1999'"):
        _said(show_model, registry, "1999")
    with pytest.raises(PipelineError, match="start of several runs"):
        _said(show_model, registry, "2026-01")


def test_nothing_is_pushed_before_approve_and_its_reason_is_kept(registry):
    registry.add(0)
    model_id = registry.add(1, push="after_review")
    assert registry.served() == "graph 0"
    said = _said(decide, registry, RUNS[1], "approve", "read by two people")
    assert registry.served() == "graph 1"
    [version] = [one for one in registry.base.iterdir() if one.name != str(MADE)]
    assert str(version) in said
    assert (version / "assets.extra" / "report.html").read_text().startswith("page ")
    card = ModelCard.read(version / "assets.extra")
    [decision] = card.changelog
    assert decision.decision == "approved"
    assert decision.reason == "read by two people"
    assert decision.report == registry.digest(1)
    assert decision.version == card.version == version.name
    assert decision.time.endswith("UTC")
    model = find_model(read_models(registry.store), RUNS[1])
    assert model.artifact.id == model_id
    assert model.decisions == (decision,)
    assert model.versions == (version.name,)
    assert _states(registry) == ["served", "pushed"]


def test_a_rejected_model_is_closed_and_is_no_baseline(registry):
    registry.add(0)
    registry.add(1, push="after_review")
    _said(decide, registry, RUNS[1], "reject", "misses small tumours")
    assert registry.served() == "graph 0"
    assert _states(registry) == ["rejected", "served"]
    with pytest.raises(PipelineError, match="was rejected on .*: misses small tumours"):
        _said(decide, registry, RUNS[1], "approve", "second thoughts")
    assert registry.served() == "graph 0"
    [withdrawn] = [
        blessing
        for blessing in registry.store.get_artifacts_by_type("ModelBlessing")
        if blessing.custom_properties["withdrawn"].int_value
    ]
    assert withdrawn.uri.endswith("Evaluator/blessing/1")
    [folder] = (registry.work.artifacts / "Decision" / "pushed_model").iterdir()
    assert ModelCard.read(folder).changelog[0].reason == "misses small tumours"


@pytest.mark.parametrize("decision", ["approve", "reject"])
def test_what_does_not_wait_cannot_be_decided(registry, decision):
    registry.add(0)
    registry.add(1, blessed=False)
    with pytest.raises(PipelineError, match="is pushed already, as version"):
        _said(decide, registry, RUNS[0], decision, "reason")
    with pytest.raises(PipelineError, match="was refused by the evaluation"):
        _said(decide, registry, RUNS[1], decision, "reason")


def test_a_model_that_was_refused_since_it_waited_cannot_be_approved(registry):
    model_id = registry.add(0, push="after_review")
    registry.judge_again(1, model_id, blessed=False, push="after_review")
    assert _states(registry) == ["refused"]
    with pytest.raises(PipelineError, match="was refused by the evaluation"):
        _said(decide, registry, RUNS[0], "approve", "read it")
    assert not registry.base.exists()


def test_a_model_waits_again_where_a_later_run_is_answered_with_the_earlier_judgement(registry):
    model_id = registry.add(0, push="after_review")
    registry.judge_again(1, model_id, blessed=False, push="after_review")
    for artifact in [
        *registry.store.get_artifacts_by_type("ModelBlessing"),
        *registry.store.get_artifacts_by_type("ModelReport"),
        *registry.store.get_artifacts_by_type("PushedModel"),
    ]:
        if artifact.uri.endswith("/0"):
            node = Path(artifact.uri).parts[-3]
            registry.answer_from_cache(2, node, Path(artifact.uri).parts[-2], artifact.id)
    assert _states(registry) == ["waits for review"]
    _said(decide, registry, RUNS[0], "approve", "read it")
    assert registry.served() == "graph 0"
    card = ModelCard.read(next(registry.base.iterdir()) / "assets.extra")
    assert card.changelog[0].report == registry.digest(0)


@pytest.mark.parametrize("decision", ["approve", "reject", "rollback"])
def test_a_decision_needs_a_reason(registry, decision):
    registry.add(0, push="after_review")
    with pytest.raises(PipelineError, match="needs --reason"):
        _said(decide, registry, RUNS[0], decision, "  ")


def test_rolling_back_pushes_the_earlier_model_as_a_new_version(registry):
    registry.add(0)
    registry.add(1)
    said = _said(decide, registry, None, "rollback", "complaints")
    assert registry.served() == "graph 0"
    versions = sorted(int(path.name) for path in registry.base.iterdir())
    assert versions == [MADE, MADE + 1, MADE + 2]
    assert str(MADE + 2) in said
    card = ModelCard.read(registry.base / str(MADE + 2) / "assets.extra")
    assert card.version == str(MADE + 2)
    assert [one.decision for one in card.changelog] == ["rolled back to"]
    assert _states(registry) == ["withdrawn", "served"]
    for run, withdrawn in ((RUNS[0], False), (RUNS[1], True)):
        shown = json.loads(_said(show_model, registry, run, as_json=True))
        assert shown["withdrawn"] is withdrawn
    # The model that was served is no longer what candidates are compared with.
    withdrawn = [
        blessing.uri[-1]
        for blessing in registry.store.get_artifacts_by_type("ModelBlessing")
        if blessing.custom_properties["withdrawn"].int_value
    ]
    assert withdrawn == ["1"]


def test_rolling_back_again_goes_further_back_and_never_to_what_was_rolled_back_from(registry):
    for number in range(3):
        registry.add(number)
    for expected in ("graph 1", "graph 0"):
        _said(decide, registry, None, "rollback", "complaints")
        assert registry.served() == expected
    with pytest.raises(PipelineError, match="no earlier model to go back to"):
        _said(decide, registry, None, "rollback", "complaints")
    assert registry.served() == "graph 0"
    _said(decide, registry, str(MADE + 2), "rollback", "they were mistaken")
    assert registry.served() == "graph 2"


def test_a_rollback_past_a_model_decides_against_it_too(registry):
    for number in range(3):
        registry.add(number)
    _said(decide, registry, str(MADE), "rollback", "complaints")
    assert _states(registry) == ["withdrawn", "withdrawn", "served"]
    with pytest.raises(PipelineError, match="no earlier model to go back to"):
        _said(decide, registry, None, "rollback", "complaints")
    assert registry.served() == "graph 0"


STATES = {
    ModelState.REFUSED: lambda registry: registry.add(0, blessed=False),
    ModelState.WAITS: lambda registry: registry.add(0, push="after_review"),
    ModelState.REJECTED: lambda registry: _after(registry, "reject", push="after_review"),
    ModelState.SERVED: lambda registry: registry.add(0),
    ModelState.PUSHED: lambda registry: (registry.add(0), registry.add(1)),
    ModelState.WITHDRAWN: lambda registry: _after(registry, "rollback"),
}


def _after(registry, decision: str, **settings: str) -> None:
    registry.add(0, **settings)
    if decision == "rollback":
        registry.add(1)
        _said(decide, registry, str(MADE), "rollback", "first")
        _said(decide, registry, str(MADE + 1), "rollback", "second")
    else:
        _said(decide, registry, RUNS[0], decision, "first")


@pytest.mark.parametrize("event", [Event.APPROVE, Event.REJECT, Event.ROLL_BACK_TO])
@pytest.mark.parametrize("state", STATES)
def test_what_people_may_decide_is_what_the_table_of_states_holds(registry, state, event):
    STATES[state](registry)

    def now() -> str:
        return json.loads(_said(show_model, registry, RUNS[0], as_json=True))["state"]

    assert now() == state.value
    decision = {Event.ROLL_BACK_TO: "rollback"}.get(event, event.value)
    if (state, event) in TRANSITIONS:
        _said(decide, registry, RUNS[0], decision, "reason")
        assert now() == TRANSITIONS[state, event].value
    else:
        with pytest.raises(PipelineError):
            _said(decide, registry, RUNS[0], decision, "reason")
        assert now() == state.value


def test_a_rollback_leaves_the_models_of_other_pipelines_alone(registry):
    registry.add(0)
    registry.add(1)
    registry.add(2, pipeline="other")
    _said(decide, registry, None, "rollback", "complaints")
    assert registry.served() == "graph 0"
    assert _states(registry) == ["served", "withdrawn", "served"]
    [other] = [one for one in read_models(registry.store) if one.pipeline == "other"]
    assert not other.standing.withdrawn


def test_a_rollback_asks_which_pipeline_where_more_than_one_has_earlier_models(tmp_path):
    registry = Registry(tmp_path / "work")
    registry.add(0)
    registry.add(1, pipeline="other")
    for pipeline in ("brain_mri", "other"):
        (registry.work.serving / pipeline / str(MADE + 9)).mkdir()
    with pytest.raises(PipelineError, match=r"earlier models of brain_mri and other: say which"):
        _said(decide, registry, None, "rollback", "complaints")


def test_rolling_back_works_from_the_pushed_copy_where_the_artifact_is_gone(registry):
    import shutil

    registry.add(0)
    registry.add(1)
    shutil.rmtree(registry.work.artifacts / "Trainer")
    _said(decide, registry, str(MADE), "rollback", "complaints")
    assert registry.served() == "graph 0"


def test_what_is_served_or_was_never_pushed_cannot_be_rolled_back_to(registry):
    registry.add(0)
    registry.add(1, push="after_review")
    with pytest.raises(PipelineError, match="is what is served"):
        _said(decide, registry, str(MADE), "rollback", "reason")
    with pytest.raises(PipelineError, match="never pushed"):
        _said(decide, registry, RUNS[1], "rollback", "reason")
    assert [path.name for path in registry.base.iterdir()] == [str(MADE)]


def test_a_model_that_was_served_can_be_rolled_back_to_though_it_was_refused_since(registry):
    model_id = registry.add(0)
    registry.add(1)
    registry.judge_again(2, model_id, blessed=False)
    _said(decide, registry, str(MADE), "rollback", "complaints")
    assert registry.served() == "graph 0"


@pytest.mark.parametrize("broken", ["copy", "record"])
def test_what_cannot_be_written_is_not_served_and_can_be_decided_once_more(
    registry, monkeypatch, broken
):
    registry.add(0, push="after_review")
    with monkeypatch.context() as full:
        if broken == "copy":
            full.setattr("components.push.versions.shutil.copytree", _full_disk)
        else:
            full.setattr(ModelCard, "write", _full_for_decisions(ModelCard.write))
        with pytest.raises(PipelineError, match=r"not carried out.*No space left on device"):
            _said(decide, registry, RUNS[0], "approve", "read it")
    assert list(registry.base.iterdir()) == []
    _said(decide, registry, RUNS[0], "approve", "read it")
    assert registry.served() == "graph 0"


def test_nothing_is_served_before_its_decision_is_recorded(registry, monkeypatch):
    registry.add(0, push="after_review")
    served = []
    write_down = mlmd.MetadataStore.put_lineage_subgraph

    def watched(store, *arguments):
        served.extend(path.name for path in registry.base.iterdir() if path.name.isdigit())
        return write_down(store, *arguments)

    monkeypatch.setattr(mlmd.MetadataStore, "put_lineage_subgraph", watched)
    _said(decide, registry, RUNS[0], "approve", "read it")
    assert served == []
    assert registry.served() == "graph 0"


def test_a_rejection_that_cannot_be_written_leaves_the_model_waiting(registry, monkeypatch):
    registry.add(0, push="after_review")
    with monkeypatch.context() as full:
        full.setattr(ModelCard, "write", _full_for_decisions(ModelCard.write))
        with pytest.raises(PipelineError, match="No space left on device"):
            _said(decide, registry, RUNS[0], "reject", "misses small tumours")
    assert _states(registry) == ["waits for review"]


def _full_disk(*arguments, **options):
    raise OSError(errno.ENOSPC, "No space left on device")


def _full_for_decisions(write):
    return lambda card, folder: (_full_disk if "Decision" in folder.parts else write)(card, folder)


def test_without_its_report_nothing_can_be_decided(registry):
    import shutil

    registry.add(0, push="after_review")
    shutil.rmtree(registry.work.artifacts / "Report")
    with pytest.raises(PipelineError, match="report of run .* no longer exists"):
        _said(decide, registry, RUNS[0], "approve", "reason")
    assert not registry.base.exists()


def test_a_card_says_all_that_was_decided(registry):
    registry.add(0)
    registry.add(1)
    _said(decide, registry, str(MADE), "rollback", "first")
    _said(decide, registry, str(MADE + 1), "rollback", "second")
    _said(decide, registry, str(MADE), "rollback", "third")
    newest = max(registry.base.iterdir(), key=lambda path: int(path.name))
    card = ModelCard.read(newest / "assets.extra")
    assert [one.reason for one in card.changelog] == ["first", "third"]
    assert Path(newest).name == str(MADE + 4)


def test_where_no_run_was_recorded_nothing_is_made(tmp_path):
    work = tmp_path / "work"
    for ask in (
        lambda console: list_models(console, work),
        lambda console: show_model(console, work, None),
        lambda console: decide(console, work, None, "rollback", "why"),
    ):
        with pytest.raises(PipelineError, match=r"No run was recorded in .*work: start one with"):
            ask(Console(file=io.StringIO()))
    assert not work.exists()


def test_a_model_is_shown_in_words_and_its_files_from_the_current_folder(registry, monkeypatch):
    registry.add(0)
    monkeypatch.chdir(registry.work.root.parent)
    shown = _said(show_model, registry, None).splitlines()
    rows = {line[:20].strip(): line[21:] for line in shown}
    assert (rows["blessed"], rows["withdrawn"], rows["decisions"]) == ("yes", "no", "none")
    assert rows["report"].startswith("work/")
    assert json.loads(_said(show_model, registry, None, as_json=True))["report"].startswith("/")
