import json

import pytest

from components.errors import PipelineError
from pipeline.scheduling.record import ScheduleRecord, WatchRecord, read_record

_SCHEDULE = {"cron": "0 3 * * *", "last": "2026-07-01T12:00:00+02:00"}
_WATCH = {"folder": "/incoming", "spans": {"1": {"state": "done"}}}


def test_what_is_not_there_is_no_record(tmp_path):
    assert read_record(tmp_path / "watch.json", WatchRecord) is None


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        *((kind, content) for kind in (ScheduleRecord, WatchRecord)
          for content in (b"", b"\0" * 80, b"\xff\xfe", b"[]", b"null", b"{}")),
        (ScheduleRecord, json.dumps(_SCHEDULE).encode()[:-9]),
        (ScheduleRecord, json.dumps(_WATCH).encode()),
        (ScheduleRecord, json.dumps({**_SCHEDULE, "last": "yesterday"}).encode()),
        (ScheduleRecord, json.dumps({**_SCHEDULE, "last": "2026-07-01T12:00:00"}).encode()),
        (WatchRecord, json.dumps(_WATCH).encode()[:-9]),
        (WatchRecord, json.dumps(_WATCH).replace("done", "perhaps").encode()),
        (WatchRecord, json.dumps(_WATCH).replace('"1"', '"one"').encode()),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named_and_kept(tmp_path, kind, content):
    file = tmp_path / "record.json"
    file.write_bytes(content)
    with pytest.raises(PipelineError) as refused:
        read_record(file, kind)
    assert str(refused.value) == (
        f"{file} cannot be read as a record of earlier runs: restore it, or remove it to start "
        "without one."
    )
    assert file.read_bytes() == content


def test_a_folder_in_its_place_is_no_record(tmp_path):
    with pytest.raises(PipelineError, match="cannot be read as a record"):
        read_record(tmp_path, WatchRecord)
