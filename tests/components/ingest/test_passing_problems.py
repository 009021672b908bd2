"""What a machine cannot read at a moment is not remembered of the files."""

import errno
import os
import sys

import pytest
from dicom_files import file as dicom_file
from ingesting import ingest

from components.errors import PipelineError
from components.ingest.folder import list_images

pytestmark = pytest.mark.long


@pytest.fixture
def failing(monkeypatch):
    """Lets files of some name fail to open, from the n-th time on."""
    real = os.open

    def install(name: str, number: int, after: int = 0) -> None:
        opened = 0

        def open_or_fail(path, *how, **more):
            nonlocal opened
            if str(path).endswith(name):
                opened += 1
                if opened > after:
                    raise OSError(number, os.strerror(number), path)
            return real(path, *how, **more)

        monkeypatch.setattr("imaging.reader.os.open", open_or_fail)

    return install


@pytest.mark.parametrize(
    ("number", "after"),
    [(errno.EMFILE, 0), (errno.EIO, 2), (errno.ENOMEM, 2), (errno.ESTALE, 0)],
)
def test_what_the_machine_cannot_do_now_fails_the_node(
    make_folder, tmp_path, failing, number, after
):
    root = make_folder(train=4, test=2)
    failing("Training/glioma/000.png", number, after)
    with pytest.raises(PipelineError, match=rf"{os.strerror(number)}.*run again[^\[]*$"):
        ingest(root, tmp_path / "out")


def test_a_file_that_could_be_read_a_moment_ago_is_not_rejected(make_folder, tmp_path, failing):
    root = make_folder(train=4, test=2)
    failing("Training/glioma/000.png", errno.EACCES, after=2)
    with pytest.raises(PipelineError, match=r"glioma/000.png changed while .*run again"):
        ingest(root, tmp_path / "out")


def test_a_file_that_may_not_be_read_is_another_file_once_it_may(make_folder, failing, monkeypatch):
    root = make_folder(train=4, test=2)
    failing("Training/glioma/000.png", errno.EACCES)
    before = list_images(root).fingerprint
    monkeypatch.undo()
    assert list_images(root).fingerprint != before


@pytest.mark.parametrize("package", ["pydicom", "nibabel"])
def test_a_library_that_is_missing_fails_the_node_and_says_what_to_install(
    make_folder, tmp_path, monkeypatch, package
):
    root = make_folder(train=4, test=2)
    content = dicom_file() if package == "pydicom" else bytes(344) + b"n+1\0"
    (root / "Training" / "glioma" / "scan").write_bytes(content)
    for module in list(sys.modules):
        if module.split(".")[0] == package or module.startswith(("imaging.dicom", "imaging.nifti")):
            monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    says = rf"needs the package {package}: pip install nibabel pydicom, or take such files out"
    with pytest.raises(PipelineError, match=says):
        ingest(root, tmp_path / "out")
