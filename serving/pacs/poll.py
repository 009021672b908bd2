"""Asks a DICOMweb server for studies: QIDO-RS to find them, WADO-RS to fetch their MR images."""

import logging
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from dicomweb_client.api import DICOMwebClient
from pydicom import Dataset

from serving.pacs.config import PollConfig
from serving.pacs.headers import read_header
from serving.pacs.listener import STORED
from serving.pacs.objects import encoded
from serving.pacs.spool import FullError, Spool
from serving.pacs.web import web_client

log = logging.getLogger(__name__)


class Poll:
    """One server that is asked again and again."""

    def __init__(
        self, config: PollConfig, spool: Spool, clock: Callable[[], float],
        stopping: threading.Event,
    ) -> None:  # fmt: skip
        """Asks nothing yet.

        Args:
            config: Which server, and for what.
            spool: Where images go; those that are there already are not kept twice.
            clock: The time, seconds since 1970.
            stopping: Nothing more is fetched once it is set.
        """
        self._config, self._spool, self._clock = config, spool, clock
        self._stopping = stopping
        self._due = 0.0
        self._seen: dict[str, int] = {}
        """Series by their UIDs, and how many images each had when it was fetched whole."""

    def poll(self) -> bool:
        """Fetches what is new, if it is time.

        Returns:
            Whether there was anything; a server that does not answer is asked again later.
        """
        now = self._clock()
        if now < self._due:
            return False
        self._due = now + self._config.seconds
        new, listed = False, dict[str, int]()
        try:
            with web_client(self._config.url, self._config.token) as client:
                for study, series, size in self._series(client, now):
                    listed[series] = self._seen.get(series, 0)
                    if self._stopping.is_set():
                        return new
                    if size and listed[series] == size:
                        continue
                    try:
                        new |= self._fetch(client, study, series)
                    except Exception as error:  # noqa: BLE001 - other series may be well
                        _tell("a series cannot be fetched", error)
                    else:
                        listed[series] = size
        except Exception as error:  # noqa: BLE001 - a server may answer anything
            _tell("a DICOMweb server cannot be asked", error)
            self._seen |= listed
            return new
        self._seen = listed  # and no more, or it would grow for ever
        return new

    def _series(self, client: DICOMwebClient, now: float) -> Iterator[tuple[str, str, int]]:
        """Study, series and size of all MR series; size 0 if the server does not say."""
        last = datetime.fromtimestamp(now).astimezone()
        first = last - timedelta(days=self._config.days - 1)
        dates = f"{first:%Y%m%d}-{last:%Y%m%d}"
        filters = {"StudyDate": dates, **self._config.filters}
        for study in _all("0020000D", client.search_for_studies, search_filters=filters):
            try:
                yield from self._series_of(client, study)
            except Exception as error:  # noqa: BLE001 - other studies may be well
                _tell("a study's series cannot be asked for", error)

    @staticmethod
    def _series_of(client: DICOMwebClient, study: str) -> Iterator[tuple[str, str, int]]:
        found = _all(
            "0020000E", client.search_for_series, study_instance_uid=study,
            fields=["NumberOfSeriesRelatedInstances"], search_filters={"Modality": "MR"},
        )  # fmt: skip
        for series, one in found.items():
            size = _text(one, "00201209")
            yield study, series, int(size) if size.isdecimal() else 0

    def _fetch(self, client: DICOMwebClient, study: str, series: str) -> bool:
        """Fetches a series; whether anything of it is new.

        Raises:
            FullError: An image has no room, and the series must be fetched again.
        """
        new = False
        for dataset in client.iter_series(study, series):
            if self._stopping.is_set():
                break
            if dataset.get("SOPClassUID") in STORED:
                new |= self._keep(dataset)
        return new

    def _keep(self, dataset: Dataset) -> bool:
        try:
            content = encoded(dataset)
            return self._spool.add(read_header(content), content)
        except FullError:
            raise
        except Exception as error:  # noqa: BLE001 - other images may be well
            _tell("an image is not taken", error)
            return False


def _all(tag: str, search: Callable[..., list[dict[str, Any]]], **question: Any) -> dict[str, Any]:
    """All answers to a QIDO question by a UID of each, however many the server gives at once."""
    found: dict[str, Any] = {}
    while True:
        page = {_text(one, tag): one for one in search(offset=len(found), **question)}
        if not page.keys() - found.keys() - {""}:  # nothing more, or the server knows no pages
            return found
        found |= {uid: one for uid, one in page.items() if uid}


def _tell(what: str, error: Exception) -> None:
    """Names a failure, but for its text, which may quote what is in images."""
    log.warning("%s (%s)", what, type(error).__name__)


def _text(found: dict[str, Any], tag: str) -> str:
    """The first value of an element of a QIDO answer; empty if there is none."""
    values = found.get(tag, {}).get("Value") or [""]
    return str(values[0])
