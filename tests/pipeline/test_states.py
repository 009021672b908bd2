import re
from pathlib import Path

from pipeline.states import TRANSITIONS, Event, ModelState

_PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")


def test_the_table_of_the_documentation_is_the_one_of_the_code():
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \|$", _PAGE, re.MULTILINE)
    told = {(start, event): end for start, event, end in rows if start != "from"}
    assert told == {
        (start.value, event.value): end.value for (start, event), end in TRANSITIONS.items()
    }


def test_the_chart_of_the_documentation_names_all_states_and_all_that_moves_them():
    [chart] = re.findall(r"^```text\n(.+?)^```$", _PAGE, re.MULTILINE | re.DOTALL)
    drawn = re.split(r"[^a-z ]+|  +", chart)
    words = {word.strip().removeprefix("or ") for word in drawn} - {""}
    # Arrows between verdicts stand for themselves.
    judged = {Event.BLESS.value, Event.REFUSE.value, Event.WAIT.value}
    assert words == {one.value for one in (*ModelState, *Event)} - judged


def test_every_state_can_be_reached_and_what_a_person_rejects_is_closed():
    reached = {ModelState.NOT_EVALUATED, *TRANSITIONS.values()}
    assert reached == set(ModelState)
    assert not [event for start, event in TRANSITIONS if start is ModelState.REJECTED]
