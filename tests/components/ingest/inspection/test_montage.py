import numpy as np

from components.ingest.config import IngestConfig
from components.ingest.inspection.matches import CrossMatch
from components.ingest.inspection.montage import Album, examples, spread


def test_examples_are_random_but_always_the_same(make_record):
    records = [make_record(label) for label in ("notumor", "glioma") * 50]
    drawn = examples(records, 8)
    assert list(drawn) == ["glioma", "notumor"]
    assert all(len(indices) == 8 for indices in drawn.values())
    assert all(records[i].label == label for label, indices in drawn.items() for i in indices)
    assert drawn["glioma"] != list(range(1, 17, 2))
    assert drawn == examples(records, 8)
    assert len(examples(records[:6], 8)["glioma"]) == 3


def test_matches_are_picked_from_the_certain_to_the_doubtful():
    matches = [CrossMatch(i, 0, 1 - i / 1000, exact=False) for i in range(100)]
    picked = spread(matches, 10)
    assert len(picked) == 10
    assert (picked[0], picked[-1]) == (matches[0], matches[-1])
    assert spread(matches[:4], 10) == matches[:4]


def test_an_image_that_is_gone_leaves_a_gap(make_record, tmp_path):
    record = make_record(path=str(tmp_path / "gone.jpg"), frame=3)
    picture = Album([record], IngestConfig())[0]
    assert picture.source == ""
    assert picture.name == "image 1"


def test_an_image_is_read_once(make_record, monkeypatch):
    reads = []

    def read(record, config):
        reads.append(record)
        return np.zeros((8, 8, 3), np.uint8)

    monkeypatch.setattr("components.ingest.looks.read_picture", read)
    album = Album([make_record()], IngestConfig())
    assert album[0] is album[0]
    assert len(reads) == 1
