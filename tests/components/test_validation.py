"""What a person is told of a name or a value that cannot be used."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, Field, SecretStr, ValidationError, model_validator

from components.strict_config import StrictConfig
from components.validation import nearest_name, refusals
from pipeline.config import Config


class _Limits(StrictConfig):
    least: int = 0
    most: int = Field(9, ge=1)

    @model_validator(mode="after")
    def _fit(self):
        if self.most < self.least:
            raise ValueError("most is less than least")
        return self


class _Settings(StrictConfig):
    limits: _Limits = _Limits()
    by_name: dict[str, _Limits] = {}
    in_order: tuple[_Limits, ...] = ()
    at_most: _Limits | None = None
    token: SecretStr = SecretStr("")
    file: Path | None = None
    either: int | Literal["auto", "never"] = 1


def _paths(model: type[BaseModel], above: str = "") -> Iterator[str]:
    """The paths of all settings."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _paths(kind, f"{above}{name}.")
        else:
            yield f"{above}{name}"


def _said(fields: dict, **options) -> str:
    with pytest.raises(ValidationError) as error:
        _Settings.model_validate(fields)
    return refusals(error.value, _Settings, **options)


@pytest.mark.parametrize(
    ("name", "known", "end"),
    [
        ("epoch", ["epochs", "seed"], "; did you mean 'epochs'?"),
        ("zzz", ["seed", "epochs"], "; known are epochs, seed."),
        ("zzz", [], "."),
        ("zzz", map(str, range(1000)), "."),
    ],
)
def test_the_nearest_name_or_all_are_given(name, known, end):
    assert nearest_name(name, known) == end


@pytest.mark.parametrize(
    "section",
    [
        {"limits": {"mots": 3}},
        {"by_name": {"first": {"least": 1}, "most": {"mots": 3}}},
        {"in_order": [{}, {"mots": 3}]},
        {"at_most": {"mots": 3}},
    ],
)
def test_an_unknown_setting_is_told_with_those_of_its_section(section):
    said = _said(section)
    assert said.startswith("There is no setting '")
    assert said.endswith(".mots'; did you mean 'most'?")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        (
            {"limits": {"most": 0}},
            "limits.most=0 is refused: it must be at least 1.",
        ),
        ({"limits": {"least": 5, "most": 4}}, "limits is refused: most is less than least."),
        ({"file": 3}, "file=3 is refused: "),
        ({"limit": {}}, "There is no setting 'limit'; did you mean 'limits'?"),
        ({"by_name": {3: {}}}, "by_name.3=3 is refused: it must be text."),
    ],
)
def test_a_setting_is_told_with_its_value_and_the_reason(fields, says):
    assert _said(fields).startswith(says)


_WORDS_OF_PYDANTIC = re.compile(
    "Input |should |a valid |Field required|Value error|instance of|pathlib|validation"
    r"|function-|literal\[|parse|NoneType"
)


@pytest.mark.parametrize("path", sorted(_paths(Config)))
def test_no_setting_is_refused_in_pydantics_words(path):
    for value in ("notathing !", -999999, {"a": 1}, [1, {"b": 2}], None, float("nan"), [], 1.5):
        fields: dict = {}
        section = fields
        *above, last = path.split(".")
        for name in above:
            section = section.setdefault(name, {})
        section[last] = value
        try:
            Config.model_validate(fields)
        except ValidationError as error:
            said = refusals(error, Config)
            assert path in said
            assert not _WORDS_OF_PYDANTIC.search(said.replace(repr(value), "")), said


def test_a_setting_of_several_forms_has_one_sentence_for_all():
    said = _said({"either": "many"})
    assert said == "either='many' is refused: it must be a whole number, or one of: auto, never."


def test_what_is_wrong_with_a_whole_is_told_without_it():
    with pytest.raises(ValidationError) as error:
        _Limits(least=5, most=4)
    assert refusals(error.value, _Limits) == "most is less than least."


def test_each_wrong_setting_has_a_sentence_in_the_words_of_who_gave_it():
    fields = {"token": 1, "at_most": 2}
    said = _said(fields, name=lambda path: f"MRI_{path.upper()}", secret={"token"})
    assert said == (
        "MRI_AT_MOST=2 is refused: it must be a section of settings. "
        "MRI_TOKEN is refused: it must be text."
    )
