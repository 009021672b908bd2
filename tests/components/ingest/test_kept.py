import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from components.errors import PipelineError
from components.ingest.kept import PictureWriter, kept_picture


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_what_threads_of_several_writers_put_is_read_back(tmp_path):
    writers = [PictureWriter(tmp_path), PictureWriter(tmp_path)]
    pictures = [bytes([number]) * (number + 1) for number in range(200)]
    with ThreadPoolExecutor(4) as pool:
        places = list(pool.map(lambda one: writers[one[0] % 2].put(one), pictures))
    for writer in writers:
        writer.close()
    got = [
        kept_picture(tmp_path, place, _sha256(one))
        for place, one in zip(places, pictures, strict=True)
    ]
    assert got == pictures


@pytest.mark.parametrize("damage", [b"", b"pic", b"\0" * 7])
def test_what_a_file_system_does_not_give_back_is_said(tmp_path, damage):
    writer = PictureWriter(tmp_path)
    place = writer.put(b"picture")
    writer.close()
    (tmp_path / place.file).write_bytes(damage)
    with pytest.raises(PipelineError, match="does not return what was written"):
        kept_picture(tmp_path, place, _sha256(b"picture"))
