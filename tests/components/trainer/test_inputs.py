import numpy as np
from drawing import draw, encode
from transformed import SIZE, images, write_split

from components.trainer.inputs import TransformedImage, decode_pixels, read_groups, read_images


def test_images_come_with_their_class_and_a_digest_of_their_own(tmp_path):
    found = images(tmp_path, 70, classes=3)
    assert [image.label for image in found] == [index % 3 for index in range(70)]
    assert len({image.digest for image in found}) == 70


def test_groups_are_those_of_ingest_by_digest(tmp_path):
    patterns = write_split(tmp_path, 5)
    found = read_groups(patterns)
    assert [found[image.digest] for image in read_images(patterns)] == list("01234")


def test_pixels_are_those_that_were_packed():
    drawn = [draw(seed, (SIZE, SIZE)) for seed in range(3)]
    packed = [TransformedImage(encode(pixels), 0, b"") for pixels in drawn]
    np.testing.assert_array_equal(decode_pixels(packed), drawn)
