"""A node that is killed again and again under a load, while its archive is away for a time."""

import os
import signal
import subprocess
import sys
import threading
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import fake_server
import killed_node
import pacs
import pytest
import yaml
from pydicom.uid import ComprehensiveSRStorage, SecondaryCaptureImageStorage
from waiting import wait_until

from components.free_ports import free_ports
from serving.pacs.journal import Journal
from serving.pacs.spool import JOURNAL_FILE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

STUDIES = int(os.environ.get("MRI_TEST_STUDIES", "200"))
_TIMES = 5
"""Calls of a function before the one that is the last: studies are under way by then."""


def start(config: Path, *point: str) -> subprocess.Popen[bytes]:
    code = f"import runpy; runpy.run_path({killed_node.__file__!r}, run_name='__main__')"
    with (config.parent / "node.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-c", code, config, *(point or ("", "", "0"))],
            stdout=log, stderr=log, env=dict(os.environ),
        )  # fmt: skip


def study(number: int) -> list:
    return pacs.mr_series(1, study=f"load {number}")


def send_all(port: int) -> None:
    """Sends each study until it is acknowledged, as an archive's queue does."""
    for number in range(STUDIES):
        image = study(number)
        wait_until(lambda image=image: pacs.send(port, image) == [0])


def read(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.read().decode()
    except OSError:
        return ""


def test_killed_at_every_state_each_study_is_delivered_exactly_once(tmp_path):
    port, http = free_ports(2)
    config, model, kept = tmp_path / "pacs.yaml", pacs.Model(), pacs.Archive()
    recorded = []

    def record() -> None:
        recorded.extend(str(path) for path in (tmp_path / "spool").rglob("*"))
        recorded.extend(read(f"http://127.0.0.1:{http}/{one}") for one in ("metrics", "healthz"))

    with ExitStack() as running:
        server = running.enter_context(fake_server.running(model))
        archive = ExitStack()
        running.enter_context(archive)
        archive.enter_context(pacs.archive(kept=kept))
        settings = pacs.settings(
            Path(), server.address, kept.port, stable_seconds=0.1, http_port=http,
            retry={"first": 0.1, "longest": 1, "attempts": 10_000},
        )  # fmt: skip
        described = settings.model_dump(mode="json", exclude_none=True)
        described["listen"]["port"] = port
        config.write_text(yaml.safe_dump(described))
        threading.Thread(target=send_all, args=(port,), daemon=True).start()
        for function in killed_node.POINTS:
            if function == "missed":
                archive.close()  # it is down in the middle of the load
            for when in ("before", "after"):
                node = start(config, function, when, str(_TIMES))
                assert node.wait(900) == -signal.SIGKILL, (tmp_path / "node.log").read_text()
                recorded.extend(str(path) for path in (tmp_path / "spool").rglob("*"))
            if function == "missed":
                archive.enter_context(pacs.archive(kept.port, kept))
        node = start(config)
        journal = Journal(tmp_path / "spool" / JOURNAL_FILE)
        wait_until(
            lambda: journal.counts()["delivered"] == STUDIES, 1800, say=lambda: journal.counts()
        )
        record()
        node.send_signal(signal.SIGTERM)
        node.wait()
    for kind in (ComprehensiveSRStorage, SecondaryCaptureImageStorage):
        answered = [one.StudyInstanceUID for one in kept.of_class(kind)]
        assert len(answered) == len({*answered}) == STUDIES
    again = [uid for uid, times in kept.arrivals.items() if times > 1]
    # What was sent and not noted is sent again under the same UID, of which an archive keeps one.
    unsure = (tmp_path / "node.log").read_text().count("it does not answer")
    assert len(again) <= 2 * len(killed_node.POINTS) + unsure
    text = (tmp_path / "node.log").read_text() + "\n".join(recorded)
    assert "mri_pacs_deliveries_total" in text
    assert "is answered by model 7" in text
    images = [one for number in range(STUDIES) for one in study(number)]
    uids = {one[f"{of}InstanceUID"].value for one in images for of in ("Study", "Series", "SOP")}
    dates = {one[of].value for one in images for of in ("StudyDate", "PatientBirthDate")}
    assert not [secret for secret in (*pacs.PRIVATE, *uids, *dates) if secret in text]
