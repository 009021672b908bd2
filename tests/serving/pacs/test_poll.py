"""Studies are fetched from a DICOMweb server, whatever it answers about one of them."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

import fake_server
import pacs
import pytest

from serving.pacs.config import KeepConfig, PollConfig
from serving.pacs.objects import encoded
from serving.pacs.poll import Poll
from serving.pacs.spool import Spool


class Web:
    """A DICOMweb server of some studies with one series each.

    Attributes:
        studies: Images by StudyInstanceUID.
        odd: What is answered instead, by the end of a path.
        fetched: How often each series was.
        page: Most that a question is answered with at once; 0: all, whatever the offset.
    """

    def __init__(self, *series: list) -> None:
        self.studies = {one[0].StudyInstanceUID: one for one in series}
        self.odd: dict[str, fake_server.Answer] = {}
        self.fetched: list[str] = []
        self.page = 0
        self.size: str | None = None

    def __call__(self, handler, body: bytes) -> None:
        parts = urlsplit(handler.path)
        path = parts.path.strip("/").split("/")
        offset = int(parse_qs(parts.query).get("offset", ["0"])[0])
        odd = next((do for end, do in self.odd.items() if parts.path.endswith(end)), None)
        if odd is not None:
            odd(handler, body)
        elif path[-1] == "studies":
            self._tell(handler, [{"0020000D": ui(one)} for one in self.studies], offset)
        elif path[-1] == "series":
            [*images] = self.studies[path[-2]]
            size = str(len(images)) if self.size is None else self.size
            found = {"0020000E": ui(images[0].SeriesInstanceUID), "00201209": ui(size)}
            self._tell(handler, [found], offset)
        else:
            self.fetched.append(path[-1])
            parts = b"".join(
                b"--end\r\nContent-Type: application/dicom\r\n\r\n" + encoded(one) + b"\r\n"
                for one in self.studies[path[-3]]
            )
            say(handler, parts + b"--end--", 'multipart/related; type="application/dicom"; '
                "boundary=end")  # fmt: skip

    def _tell(self, handler, found: list, offset: int) -> None:
        shown = found[offset : offset + self.page] if self.page else found
        say(handler, json.dumps(shown).encode(), "application/dicom+json")


def ui(value: str) -> dict[str, object]:
    return {"vr": "UI", "Value": [value]}


def say(handler, content: bytes, kind: str) -> None:
    handler.send_response(200)
    handler.send_header("content-type", kind)
    handler.send_header("content-length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


@contextmanager
def polling(folder, web: Web, **keep: object) -> Iterator[tuple[Spool, object]]:
    """The spool, and what asks once more."""
    clock, stopping = pacs.Clock(), threading.Event()
    spool = Spool(folder / "spool", KeepConfig(**keep), clock)
    with fake_server.running(web) as server:
        poll = Poll(PollConfig(url=server.address), spool, clock, stopping)

        def ask() -> bool:
            clock.now += 61
            return poll.poll()

        yield spool, ask
    spool.journal.close()


def held(spool: Spool) -> list[int]:
    return sorted(spool.journal.size(one.key) for one in spool.journal.studies())


@pytest.mark.parametrize("page", [0, 1, 2])
def test_what_is_new_is_fetched_once_however_it_is_listed(tmp_path, page):
    web = Web(*(pacs.mr_series(2, study=str(number)) for number in range(3)))
    web.page = page
    with polling(tmp_path, web) as (spool, ask):
        assert ask()
        assert not ask()
        assert held(spool) == [2, 2, 2]
        assert len(web.fetched) == 3


@pytest.mark.parametrize(
    "odd",
    [fake_server.says(500, b"broken"), fake_server.says(200, b"{no JSON"), fake_server.hangs_up],
)
@pytest.mark.parametrize("what", ["of the study", "the series"])
def test_an_odd_answer_about_one_study_leaves_the_others(tmp_path, odd, what, caplog):
    first, second = pacs.mr_series(1), pacs.mr_series(1, study="2")
    web = Web(first, second)
    of_study = f"{first[0].StudyInstanceUID}/series"
    web.odd[of_study if what == "of the study" else first[0].SeriesInstanceUID] = odd
    with polling(tmp_path, web) as (spool, ask):
        assert ask()
        assert held(spool) == [1]
        web.odd.clear()
        assert ask()  # it was not taken to be here
        assert held(spool) == [1, 1]
    assert first[0].StudyInstanceUID not in caplog.text


@pytest.mark.parametrize("size", ["", "0", "many"])
def test_a_series_of_unknown_size_is_looked_at_again(tmp_path, size):
    web = Web(pacs.mr_series(1))
    web.size = size
    with polling(tmp_path, web) as (spool, ask):
        ask()
        [study] = web.studies
        web.studies[study] = pacs.mr_series(2)
        assert ask()
        assert held(spool) == [2]


def test_a_series_that_found_no_room_is_fetched_again(tmp_path):
    web = Web(pacs.mr_series(3))
    with polling(tmp_path, web, instances=2) as (spool, ask):
        ask()
        ask()
        assert held(spool) == [2]
        assert len(web.fetched) == 2
