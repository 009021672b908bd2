"""What a person is told of a name or a value that cannot be used."""

from pathlib import Path

import pytest
from pydantic import Field, SecretStr, ValidationError, model_validator

from components.strict_config import StrictConfig
from components.validation import nearest_name, refusals


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
            "limits.most=0 is refused: Input should be greater",
        ),
        ({"limits": {"least": 5, "most": 4}}, "limits is refused: most is less than least."),
        ({"file": 3}, "file=3 is refused: "),
        ({"limit": {}}, "There is no setting 'limit'; did you mean 'limits'?"),
        ({"by_name": {3: {}}}, "by_name.3=3 is refused: Input should be a valid string."),
    ],
)
def test_a_setting_is_told_with_its_value_and_the_reason(fields, says):
    assert _said(fields).startswith(says)


def test_what_is_wrong_with_a_whole_is_told_without_it():
    with pytest.raises(ValidationError) as error:
        _Limits(least=5, most=4)
    assert refusals(error.value, _Limits) == "most is less than least."


def test_each_wrong_setting_has_a_sentence_in_the_words_of_who_gave_it():
    fields = {"token": 1, "at_most": 2}
    said = _said(fields, name=lambda path: f"MRI_{path.upper()}", secret={"token"})
    assert said == (
        "MRI_AT_MOST=2 is refused: Input should be a valid dictionary or instance of _Limits. "
        "MRI_TOKEN is refused: Input should be a valid string."
    )
