"""The node: takes each study from one state to the next, and never back."""

import logging
import math
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from components.whole_file import UNFINISHED
from serving.pacs.answer import StudyAnswer
from serving.pacs.capture import capture
from serving.pacs.config import PacsConfig
from serving.pacs.delivery import destination
from serving.pacs.headers import read_header
from serving.pacs.journal import State, Study
from serving.pacs.listener import Listener
from serving.pacs.monitoring import MonitoringServer, NodeMetrics
from serving.pacs.objects import AnswerUids, encoded, source
from serving.pacs.outbox import Outbox
from serving.pacs.poll import Poll
from serving.pacs.reading import (
    NoModelError,
    NotNowError,
    Reader,
    SkippedError,
    StoppedError,
    UnfitError,
)
from serving.pacs.report import write_report
from serving.pacs.spool import ANSWER_FILE, Spool, make_folder, write_whole

log = logging.getLogger(__name__)
for _library in ("dicomweb_client", "highdicom", "httpx", "pydicom", "pynetdicom", "urllib3"):
    # They quote what is sent, and ask for: UIDs, and names of patients.
    logging.getLogger(_library).setLevel(logging.CRITICAL + 1)

_PAUSE = 0.5
"""Seconds between two looks at what is due."""
_LONGEST_PAUSE = 60.0
"""Seconds until a model server that serves nothing is asked again, at most."""
_SWEEP = 3600.0
_ANSWERS = "answers"


class Node:
    """A node over one spool.

    Attributes:
        spool: What it must not lose.
        listener: Where studies come in.
        metrics: What is counted.
    """

    def __init__(self, config: PacsConfig, clock: Callable[[], float] = time.time) -> None:
        """Opens the spool; nothing listens or is sent yet.

        Args:
            config: Its settings.
            clock: The time, seconds since 1970.

        Raises:
            PipelineError: The spool or a certificate cannot be used.
        """
        self._config, self._clock = config, clock
        self.metrics = NodeMetrics()
        self.spool = Spool(config.spool, config.keep, clock)
        self.listener = Listener(config.listen, config.keep, self.spool, self.metrics)
        self._stopping = threading.Event()
        self._reader = Reader(config.model, config.series, self._stopping)
        title = config.listen.ae_title
        self._outboxes = [
            Outbox(
                destination(one, title), self.spool, config.retry, self.metrics, clock,
                self._stopping,
            )
            for one in config.destinations
        ]  # fmt: skip
        self._polls = [Poll(one, self.spool, clock, self._stopping) for one in config.poll]
        self._swept = 0.0
        self._asked_in_vain, self._model_due = 0, 0.0

    def run(self) -> None:
        """Listens and works until `stop` is called or a signal comes.

        Raises:
            PipelineError: A port is taken, or another node works on this spool.
        """
        with self.spool.exclusively():
            self._run()

    def resume(self) -> None:
        """Puts right what the last run, or a change of the settings, has left."""
        self.spool.sweep()
        if given_up := self.spool.journal.retire([one.to.name for one in self._outboxes]):
            log.warning("%d answers wait for destinations that are not in the settings", given_up)

    def _run(self) -> None:
        self.resume()
        port = self._config.http_port
        http = None if port is None else MonitoringServer(port, self.metrics, self.health)
        try:
            self.listener.start()
            self._work_until_stopped()
        finally:
            self._stopping.set()
            self.listener.stop()
            if http is not None:
                http.stop()
            self.close()

    def _work_until_stopped(self) -> None:
        steps = {f"delivery-{one.to.name}": one.work for one in self._outboxes}
        steps["commitment"] = self.commit
        steps |= {f"poll-{number}": one.poll for number, one in enumerate(self._polls)}
        threads = [
            threading.Thread(target=self._loop, args=(step,), name=f"pacs-{name}")
            for name, step in steps.items()
        ]
        for thread in threads:
            thread.start()
        try:
            self._loop(self.work)
        finally:
            self._stopping.set()
            self.listener.stop()
            for thread in threads:
                thread.join()

    def stop(self) -> None:
        """Ends `run` after what it is doing."""
        self._stopping.set()

    def close(self) -> None:
        """Ends all connections."""
        self._reader.close()
        self.spool.journal.close()

    def health(self) -> dict[str, Any]:
        """How many studies are in each state, and how many answers are dead letters."""
        journal = self.spool.journal
        return {"studies": journal.counts(), "dead_letters": len(journal.dead())}

    def _loop(self, step: Callable[[], bool]) -> None:
        while not self._stopping.is_set():
            try:
                busy = step()
            except Exception as error:  # noqa: BLE001 - a disk that is full for an hour is no end
                # The message may quote what was in an image.
                log.error("the node could not work: %s; it tries again", type(error).__name__)
                busy = False
            if not busy:
                self._stopping.wait(_PAUSE)

    def work(self) -> bool:
        """Takes a study that is due one state further, but for delivery.

        Returns:
            Whether there was any.
        """
        now, journal = self._clock(), self.spool.journal
        moved = journal.settle(now - self._config.stable_seconds) > 0
        for state, step in ((State.READ, self._answer), (State.STABLE, self._read)):
            if state is State.STABLE and now < self._model_due:
                continue
            study = journal.next_in(state, now)
            if study is not None and not self._stopping.is_set():
                moved = True
                self._timed(state.value, step, study)
        self._remove_old(now)
        self.metrics.studies(journal.counts())
        return moved

    def _timed(self, name: str, step: Callable[[Study], None], study: Study) -> None:
        start = time.perf_counter()
        try:
            step(study)
        except (OSError, MemoryError, sqlite3.Error) as error:  # of the machine, not of the study
            wait = self._config.retry.wait(study.attempts + 1)
            reason = f"the machine fails ({getattr(error, 'strerror', type(error).__name__)})"
            self.spool.journal.postpone(study, reason, self._clock() + wait)
            log.error("study %s: %s", study.key, reason)
        except Exception as error:  # noqa: BLE001 - one study must not stop the others
            reason = f"it could not be processed ({type(error).__name__})"
            self.spool.journal.move(study, State.FAILED, reason)
            log.error("study %s: %s", study.key, reason)
        self.metrics.seconds(name, time.perf_counter() - start)

    def _read(self, study: Study) -> None:
        spool, folder = self.spool, self.spool.folder_of(study.key)
        try:
            answer = self._reader.read(spool.images(study.key), folder)
        except StoppedError:
            return
        except NotNowError as error:
            wait, due = self._config.retry.wait, self._clock()
            if isinstance(error, NoModelError):  # all studies wait, and none longer than another
                self._asked_in_vain += 1
                self._model_due = due + min(wait(self._asked_in_vain), _LONGEST_PAUSE)
            else:
                due += wait(study.attempts + 1)
            spool.journal.postpone(study, str(error), due)
            log.warning("study %s waits: %s", study.key, error)
            return
        except (SkippedError, UnfitError) as error:
            state = State.SKIPPED if isinstance(error, SkippedError) else State.FAILED
            spool.journal.move(study, state, str(error))
            log.info("study %s is %s: %s", study.key, state.value, error)
            return
        self._asked_in_vain = 0
        write_whole(folder / ANSWER_FILE, answer.model_dump_json().encode())
        if spool.journal.move(study, State.READ, model=answer.model.version):
            self.metrics.answered(answer.model.version)

    def _answer(self, study: Study) -> None:
        """Makes the objects of what the model said, and files them to be delivered."""
        folder = self.spool.folder_of(study.key)
        answer = StudyAnswer.model_validate_json((folder / ANSWER_FILE).read_bytes())
        identity = AnswerUids.of(answer)
        read = {one.instance for series in answer.series for one in series.slices}
        headers = (read_header(path) for path in self.spool.images(study.key))
        sources = {one.instance: source(one) for one in headers if one.instance in read}
        make_folder(folder / _ANSWERS)
        files = []
        objects = [*capture(answer, identity, sources, folder)]
        for one in [write_report(answer, identity, sources), *objects]:
            uid = str(one.SOPInstanceUID)
            name = f"{_ANSWERS}/{uid}.dcm"
            write_whole(folder / name, encoded(one))
            files.append((uid, name))
        self.spool.made(study.key)
        names = [one.to.name for one in self._outboxes]
        if self.spool.journal.answer(study, files, names):
            log.info("study %s is answered by model %s", study.key, answer.model.version)

    def deliver(self) -> bool:
        """Sends to each destination what is due.

        Returns:
            Whether there was anything.
        """
        tried = [one.work() for one in self._outboxes]
        return any(tried)

    def commit(self) -> bool:
        """Tells who asked for storage commitment which images are safe.

        Returns:
            Whether anybody had asked.
        """
        return self.listener.commitments.report(self._clock(), self._config.retry)

    def _remove_old(self, now: float) -> None:
        if now - self._swept < _SWEEP:
            return
        self._swept = now
        keep = self._config.keep
        days = {
            State.DELIVERED: keep.days,
            State.SKIPPED: keep.days,
            State.FAILED: keep.failed_days,
        }
        for study in self.spool.journal.studies():
            if now - study.changed > days.get(study.state, math.inf) * 86_400:
                if self.spool.remove(study):
                    log.info("study %s is removed from the spool", study.key)
            else:
                _tidy(self.spool.folder_of(study.key))


def _tidy(folder: Path) -> None:
    """Removes what a kill left half written an hour ago and longer."""
    for file in folder.rglob(".unfinished-*"):
        if UNFINISHED.fullmatch(file.name) and time.time() - file.stat().st_mtime > _SWEEP:
            file.unlink(missing_ok=True)
