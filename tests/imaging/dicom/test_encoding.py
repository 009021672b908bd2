"""DICOM's encodings: an image shows the same in whatever syntax, compression and file it is."""

import io

import numpy as np
import pydicom
import pytest
from dicom_files import ALL, PYDICOM_FILES, dataset, encoded, file, head, pydicom_file
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from imaging.config import ReadConfig
from imaging.reader import RejectedImageError, read_file

CONFIG = ReadConfig()


@pytest.mark.parametrize(
    "syntax",
    [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, RLELossless],
)
def test_lossless_syntaxes_show_the_same(read_dicom, syntax):
    pixels = np.stack([head(1), head(2)])
    made = dataset(pixels)
    if syntax == RLELossless:
        made.file_meta = FileMetaDataset()
        made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        made.compress(syntax, generate_instance_uid=False)
    images = read_dicom(encoded(made, syntax)).images
    for image, plain in zip(images, read_dicom(file(pixels)).images, strict=True):
        assert np.array_equal(image.pixels, plain.pixels)


def test_one_image_is_the_same_however_it_is_stored():
    expected = read_file(pydicom_file("MR_small.dcm"), CONFIG).images[0].encoded
    for kind in ("bigendian", "expb", "implicit", "jpeg_ls_lossless", "jp2klossless", "RLE"):
        (image,) = read_file(pydicom_file(f"MR_small_{kind}.dcm"), CONFIG).images
        assert image.encoded == expected


def test_colours_are_the_same_however_they_are_compressed():
    """Ten stripes of known colours, as RLE, JPEG, JPEG-LS and JPEG 2000, in RGB and in YCbCr."""
    names = sorted(path.name for path in PYDICOM_FILES.rglob("SC_rgb_*"))
    stripes = {}
    for name in [*names, "SC_ybr_full_422_uncompressed.dcm"]:
        first = read_file(pydicom_file(name), ALL).images[0].pixels
        if first.shape == (100, 100, 3) and "_jls_" not in name:  # those show something else
            stripes[name] = first[5::10, 50].astype(int)
    assert len(stripes) > 15
    expected = stripes["SC_rgb_rle.dcm"]
    assert not {name for name in stripes if np.abs(stripes[name] - expected).max() > 5}


def test_reads_a_data_set_without_a_preamble_where_the_name_allows_it(read_dicom):
    bare = file()[132:]
    made = dataset(head())
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, made, implicit_vr=True, little_endian=True)
    for content in (bare, stream.getvalue()):
        for name in ("image.dcm", "IMAGE.DCM", "image", "1.2.840.113619.2.5"):
            assert read_dicom(content, name=name).images[0].source_format == "DICOM"
        with pytest.raises(RejectedImageError, match="not an image of a known format"):
            read_dicom(content, name="image.jpg")


def test_reads_what_pydicom_ships():
    """Good and bad files of many makers: images or a reason, nothing else, and soon."""
    outcomes = {True: 0, False: 0}
    for path in sorted(PYDICOM_FILES.rglob("*")):
        if path.is_file() and path.suffix not in (".py", ".pyc"):
            try:
                images = read_file(str(path), ALL, b"salt").images
            except RejectedImageError:
                outcomes[False] += 1
            else:
                assert all(image.pixels.dtype == np.uint8 for image in images)
                outcomes[True] += 1
    assert outcomes[True] >= 90  # without masks, doses and localizers
    assert outcomes[False] >= 60
