"""Asks a DICOMweb server for studies: QIDO-RS to find them, WADO-RS to fetch their MR images."""

import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import requests
from dicomweb_client.api import DICOMwebClient
from pydicom import Dataset

from serving.pacs.config import PollConfig
from serving.pacs.headers import UnreadableHeaderError, read_header
from serving.pacs.listener import STORED
from serving.pacs.objects import encoded
from serving.pacs.spool import DifferentError, FullError, Spool
from serving.pacs.web import web_client

log = logging.getLogger(__name__)


class Poll:
    """One server that is asked again and again."""

    def __init__(self, config: PollConfig, spool: Spool, clock: Callable[[], float]) -> None:
        """Asks nothing yet.

        Args:
            config: Which server, and for what.
            spool: Where images go; those that are there already are not kept twice.
            clock: The time, seconds since 1970.
        """
        self._config, self._spool, self._clock = config, spool, clock
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
        try:
            with web_client(self._config.url, self._config.token) as client:
                return sum([self._fetch(client, *one) for one in self._series(client, now)]) > 0
        except requests.RequestException as error:
            log.warning("a DICOMweb server cannot be asked (%s)", type(error).__name__)
            return False

    def _series(self, client: DICOMwebClient, now: float) -> Iterator[tuple[str, str, int]]:
        """Study, series and size of all MR series that are not here as they are there."""
        last = datetime.fromtimestamp(now).astimezone()
        first = last - timedelta(days=self._config.days - 1)
        dates = f"{first:%Y%m%d}-{last:%Y%m%d}"
        filters = {"StudyDate": dates, **self._config.filters}
        for found in client.search_for_studies(search_filters=filters, get_remaining=True):
            study = _text(found, "0020000D")
            for one in client.search_for_series(
                study, fields=["NumberOfSeriesRelatedInstances"], search_filters={"Modality": "MR"}
            ):
                series, size = _text(one, "0020000E"), int(_text(one, "00201209") or 0)
                if series and self._seen.get(series) != size:
                    yield study, series, size

    def _fetch(self, client: DICOMwebClient, study: str, series: str, size: int) -> bool:
        new, kept = False, True
        for dataset in client.iter_series(study, series):
            if dataset.get("SOPClassUID") in STORED:
                try:
                    new |= self._keep(dataset)
                except FullError as error:
                    log.error("an image is not taken: %s", error)
                    kept = False
        if kept:  # else all of it is asked for again
            self._seen[series] = size
        return new

    def _keep(self, dataset: Dataset) -> bool:
        try:
            content = encoded(dataset)
            return self._spool.add(read_header(content), content)
        except (UnreadableHeaderError, DifferentError, ValueError) as error:
            log.warning("an image is not taken: %s", type(error).__name__)
            return False


def _text(found: dict[str, Any], tag: str) -> str:
    """The first value of an element of a QIDO answer; empty if there is none."""
    values = found.get(tag, {}).get("Value") or [""]
    return str(values[0])
