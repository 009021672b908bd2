from carding import card

from components.disclaimer import DISCLAIMER
from components.evaluate.report.card import Decision, ModelCard
from components.evaluate.report.checklists import checklists
from components.evaluate.report.config import CardConfig
from components.trainer.layers import EXPLAINED_LAYER


def test_every_item_is_answered_or_declared_unknown(tmp_path):
    made = card()
    assert [one.number for one in made.claim] == [str(number) for number in range(1, 45)]
    assert [one.number for one in made.tripod_ai] == [
        item.number for item in checklists().tripod_ai
    ]
    assert {one.number.rstrip("abcdefg") for one in made.tripod_ai} == {
        str(number) for number in range(1, 28)
    }
    answers = {one.number: one.answer for one in made.claim}
    assert all(answers.values())
    assert answers["44"] == "unknown"  # nobody told the pipeline who paid
    assert "leak" not in answers["20"]
    assert "same patient, if that is known" in answers["20"]
    assert "0.900 (95% interval 0.850 to 0.950)" in answers["38"]


def test_the_card_names_the_layer_that_heatmaps_are_made_of():
    answers = [one.answer for one in (*card().claim, *card().tripod_ai)]
    assert any(f"Grad-CAM on {EXPLAINED_LAYER}" in answer for answer in answers)


def test_every_fact_that_an_item_asks_for_can_be_known():
    known = {"comparison", "robustness", "slices", "preprocessing", "model"}  # not of this model
    made = card()
    asked = checklists()
    items = zip((*asked.claim, *asked.tripod_ai), (*made.claim, *made.tripod_ai), strict=True)
    for item, answer in items:
        assert answer.number == item.number
        if not known & set(item.facts):
            assert (answer.answer == "unknown") == (not item.facts), item


def test_the_card_says_what_the_model_is_for_and_how_good_it_is(tmp_path):
    card().write(tmp_path)
    text = (tmp_path / "model_card.md").read_text(encoding="utf-8")
    for words in (
        DISCLAIMER,
        "## Intended use",
        "## Out of scope",
        "Licence: not stated",
        "## Limits",
        "## Ethical considerations",
        "| accuracy | 0.900 (95% interval 0.850 to 0.950) | 40 |",
        "not computable: it would be a share of no images",
        "## CLAIM",
        "## TRIPOD+AI",
        "Not served.",
    ):
        assert words in text, words
    order = [text.index(title) for title in ("## Intended", "## Data", "## CLAIM", "## TRIPOD")]
    assert order == sorted(order)


def test_what_only_the_user_knows_fills_the_card(tmp_path):
    stated = CardConfig(
        intended_use="A second look in one clinic.",
        data_source="The clinic's archive",
        licence="CC0",
        contact="radiology@example.org",
    )
    card(stated=stated).write(tmp_path)
    text = (tmp_path / "model_card.md").read_text(encoding="utf-8")
    for words in ("A second look in one clinic.", "- Source: The clinic's archive",
                  "- Licence: CC0", "## Contact\n\nradiology@example.org"):  # fmt: skip
        assert words in text, words
    assert "not stated" not in text
    answers = {one.number: one.answer for one in ModelCard.read(tmp_path).claim}
    assert answers["3"].startswith("A second look in one clinic.")
    card().write(tmp_path)
    untold = (tmp_path / "model_card.md").read_text(encoding="utf-8")
    for words in ("## Intended use\n\nnot stated", "- Source: not stated", "- Licence: not stated",
                  "## Contact\n\nnot stated"):  # fmt: skip
        assert words in untold, words


def test_a_refused_model_says_why(tmp_path):
    card(blessed=False).write(tmp_path)
    text = (tmp_path / "model_card.md").read_text(encoding="utf-8")
    assert "Refused:" in text
    assert "accuracy is 0.400 (limit: at least 0.800)" in text


def test_a_model_that_was_compared_with_none_says_why(tmp_path):
    card().write(tmp_path)
    text = (tmp_path / "model_card.md").read_text(encoding="utf-8")
    assert "Not compared with another model: there is no earlier blessed model." in text


def test_a_decision_is_kept_with_its_reason_time_and_report(tmp_path):
    decision = Decision(
        decision="approved",
        time="2026-01-03 00:00:00 UTC",
        reason="read | and found good",
        report="f" * 64,
        version="1700000000",
    )
    card().decided(decision).write(tmp_path)
    read = ModelCard.read(tmp_path)
    assert read.version == "1700000000"
    assert read.changelog == (decision,)
    text = (tmp_path / "model_card.md").read_text(encoding="utf-8")
    assert "2026-01-03 00:00:00 UTC: approved as version 1700000000." in text
    assert "report ffffffffffff" in text
