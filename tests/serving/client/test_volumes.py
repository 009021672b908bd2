"""One answer for a volume: which slices count, and what it says of itself."""

import numpy as np
import pytest
from dicom_files import compressed, dataset, file, head
from drawing import encode
from pydicom.uid import JPEGBaseline8Bit

from serving.client import EncodedImage, ImageError, Prediction, open_frames, pool, read_frames


def _says(glioma: float, **values: object) -> Prediction:
    label = "glioma" if glioma >= 0.5 else "notumor"
    probabilities = {"glioma": glioma, "notumor": 1 - glioma}
    return Prediction(label, max(glioma, 1 - glioma), probabilities, **values)


def test_a_volume_s_answer_is_the_mean_over_slices_with_enough_head():
    answers = [_says(0.0), _says(0.9), _says(0.7), _says(0.1)]
    found = pool(answers, [0.05, 0.6, 0.5, 0.14])
    assert found.probabilities == {
        "glioma": pytest.approx(0.8),
        "notumor": pytest.approx(0.2),
    }
    assert (found.label, found.confidence) == ("glioma", pytest.approx(0.8))
    assert (found.slices, found.of) == (4, 2)
    assert (found.refer, found.reasons) == (False, "")
    assert "over the 2 slices" in found.words
    assert "not calibrated" in found.words


def test_all_slices_count_where_no_head_can_be_told():
    assert pool([_says(0.9), _says(0.7)], [0.0, 0.0]).of == 2


@pytest.mark.parametrize(
    ("answers", "reasons"),
    [
        ([_says(0.9), _says(0.2)], "its slices differ"),
        ([_says(0.9, refer=True, reasons="a; b"), _says(0.8, reasons="b")], "a; b"),
        ([_says(0.9, refer=True), _says(0.8)], ""),
    ],
)
def test_a_volume_is_referred_if_a_slice_is_or_if_they_differ(answers, reasons):
    found = pool(answers, [0.5] * len(answers))
    assert found.refer
    assert found.reasons == reasons


def test_a_volume_is_foreign_if_most_of_it_is():
    strange, known = _says(0.9, in_distribution=False), _says(0.9, in_distribution=True)
    assert pool([strange, known], [1, 1]).in_distribution
    assert pool([strange, strange, known], [1, 1, 1]).in_distribution is False
    assert pool([_says(0.9)], [1]).in_distribution is None
    assert pool([], []) is None


def test_a_damaged_frame_is_told_in_its_place_and_ends_nothing():
    pixels = (np.stack([head(seed) for seed in range(3)]) // 4).astype(np.uint8)
    frames = [encode(one, "JPEG") for one in pixels]
    frames[1] = frames[1][:-200] + b"\xff\xd9"
    content = compressed(
        dataset(pixels, WindowCenter=125, WindowWidth=250), JPEGBaseline8Bit, frames
    )
    first, second, third = open_frames(content)
    assert [type(one) for one in (first, second, third)] == [EncodedImage, ImageError, EncodedImage]
    assert (second.frame, second.frames) == (1, 3)
    with pytest.raises(ImageError, match="damaged"):
        read_frames(content)


def test_more_frames_than_are_taken_are_refused_unless_one_is_asked_for():
    content = file(np.stack([head(1, (24, 20))] * 1001))
    with pytest.raises(ImageError, match="1,001 frames, more than the limit of 1,000"):
        open_frames(content)
    assert next(open_frames(content, 1000)).frame == 1000
