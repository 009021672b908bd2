"""Which series are read."""

import pacs
import pytest

from imaging.dicom.uids import derived_uid
from serving.pacs.config import RuleConfig
from serving.pacs.headers import read_header
from serving.pacs.objects import encoded
from serving.pacs.rules import choose


def reason(rule: dict, slices: int = 8, **elements: object) -> str:
    headers = [read_header(encoded(one)) for one in pacs.mr_series(slices, **elements)]
    [choice] = choose(headers, [RuleConfig(**rule)])
    assert choice.taken == choice.reason.startswith("fits")
    return choice.reason


@pytest.mark.parametrize(
    ("rule", "elements", "said"),
    [
        ({}, {}, "fits the rule 'default'"),
        ({}, {"Modality": "CT"}, "its modality is not MR"),
        ({}, {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "it is a localizer"),
        ({"localizer": True}, {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "fits"),
        ({}, {"ImageType": ["DERIVED", "SECONDARY"]}, "its images are not original"),
        ({}, {"ImageType": None}, "its images are not original"),
        ({"origin": "any"}, {"ImageType": None}, "fits"),
        ({"least_slices": 9}, {}, "it has 8 slices, not 9 to 512"),
        ({"most_slices": 7}, {}, "it has 8 slices, not 8 to 7"),
        ({}, {"ImageOrientationPatient": None}, "does not say how its slices lie"),
        ({"planes": []}, {"ImageOrientationPatient": None}, "fits"),
        ({"planes": ["coronal"]}, {}, "its plane is not coronal"),
        ({"contrast": "with"}, {}, "it was not taken with contrast agent"),
        ({"contrast": "with"}, {"ContrastBolusAgent": "agent"}, "fits"),
        ({"contrast": "without"}, {"ContrastBolusAgent": "agent"}, "not taken without"),
        ({"description": "t2"}, {}, "its description lacks what the rule demands"),
        ({"description": "AXIAL"}, {}, "fits"),
        ({"not_description": "axial"}, {}, "its description holds what the rule excludes"),
    ],
)
def test_a_series_is_taken_or_passed_over_with_the_reason(rule, elements, said):
    assert said in reason(rule, **elements)


def test_mixed_sizes_and_planes_are_passed_over():
    series = pacs.mr_series(8)
    series[0].Rows = 32
    series[0].PixelData = series[0].PixelData[: len(series[0].PixelData) // 2]
    [choice] = choose([read_header(encoded(one)) for one in series], [RuleConfig()])
    assert choice.reason == "rule 'default': its images are of different sizes"
    series = pacs.mr_series(8)
    series[0].ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
    [choice] = choose([read_header(encoded(one)) for one in series], [RuleConfig()])
    assert choice.reason == "rule 'default': its slices lie in different planes"


def test_slices_are_put_in_the_order_of_their_places_and_any_rule_may_fit():
    headers = [read_header(encoded(one)) for one in reversed(pacs.mr_series(8))]
    rules = [RuleConfig(name="t2", description="T2"), RuleConfig(name="any")]
    [choice] = choose(headers, rules)
    assert choice.reason == "fits the rule 'any'"
    uid = derived_uid("test series", "1", "1")
    assert [one.instance for one in choice.headers] == [
        derived_uid("test image", uid, str(number)) for number in range(8)
    ]
