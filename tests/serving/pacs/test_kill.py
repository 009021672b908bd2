"""A node that is killed again and again under a load."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import fake_server
import pacs
import pytest
import yaml
from model_server import free_port, wait_until
from pydicom.uid import ComprehensiveSRStorage, SecondaryCaptureImageStorage

from serving.pacs.journal import Journal
from serving.pacs.spool import JOURNAL_FILE

pytestmark = pytest.mark.slow

STUDIES, KILLS = 200, 6


def start(config: Path) -> subprocess.Popen[bytes]:
    with (config.parent / "node.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "mri", "pacs", "run", "--config", config],
            stdout=log, stderr=log, env=dict(os.environ),
        )  # fmt: skip


def send_all(port: int) -> None:
    """Sends each study until it is acknowledged, as an archive's queue does."""
    for number in range(STUDIES):
        [image] = pacs.mr_series(1, study=str(number))
        wait_until(lambda image=image: pacs.send(port, [image]) == [0])


def test_killed_under_load_every_study_is_answered_once(tmp_path):
    port, model = free_port(), pacs.Model()
    config = tmp_path / "pacs.yaml"
    with fake_server.running(model) as server, pacs.archive() as archive:
        settings = pacs.settings(Path(), server.address, archive.port, stable_seconds=0.1)
        described = settings.model_dump(mode="json", exclude_none=True)
        described["listen"]["port"] = port
        config.write_text(yaml.safe_dump(described))
        sender = threading.Thread(target=send_all, args=(port,), daemon=True)
        sender.start()
        for kill in range(KILLS):
            node = start(config)
            wanted = (kill + 1) * STUDIES // (KILLS + 1)
            wait_until(lambda wanted=wanted: len(archive.stored) >= wanted)
            node.send_signal(signal.SIGKILL)
            node.wait()
        node = start(config)
        journal = Journal(tmp_path / "spool" / JOURNAL_FILE)
        wait_until(lambda: journal.counts()["delivered"] == STUDIES, say=journal.counts)
        sender.join()
        node.send_signal(signal.SIGTERM)
        node.wait()
        for kind in (ComprehensiveSRStorage, SecondaryCaptureImageStorage):
            assert len(archive.of_class(kind)) == STUDIES
        again = [uid for uid, times in archive.arrivals.items() if times > 1]
        unsure = (tmp_path / "node.log").read_text().count("it does not answer")
        assert len(again) <= KILLS + unsure  # that were under way, and sent under the same UID
