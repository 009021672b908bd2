"""How far each study has come: a SQLite database in the spool.

Every change of state is one transaction, on the disk before anyone acts on it. A study whose images
change while it is worked on has another generation, and what was made of the old one is dropped.
"""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from components.errors import PipelineError


class State(str, Enum):
    """How far a study has come.

    Attributes:
        RECEIVED: Images come, or came a moment ago.
        STABLE: It is complete, and waits for the model.
        READ: The model's answer is on the disk.
        ANSWERED: The DICOM objects are on the disk, and wait to be delivered.
        DELIVERED: Every destination has them.
        SKIPPED: No series fits the rules.
        FAILED: It needs a person; the reason says why.
    """

    RECEIVED = "received"
    STABLE = "stable"
    READ = "read"
    ANSWERED = "answered"
    DELIVERED = "delivered"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True)
class Study:
    """A study, as the journal knows it.

    Attributes:
        key: What it is called everywhere: a salted hash.
        state: How far it has come.
        reason: Why it failed, was skipped, or waits.
        generation: Counts how often its images changed.
        changed: When an image came last, seconds since 1970.
        attempts: Failed tries of what is to be done next.
        due: When it is next worked on.
        model: Which version answered; empty until one has.
    """

    key: str
    state: State
    reason: str
    generation: int
    changed: float
    attempts: int
    due: float
    model: str


@dataclass(frozen=True)
class Delivery:
    """An answer that a destination is to have.

    Attributes:
        study: The study's key.
        instance: The answer's SOPInstanceUID.
        file: Its name in the study's folder.
        destination: Whose it is to be.
        state: `waiting`, `sent` or `dead`.
        attempts: How often it failed.
        reason: Why it failed last.
    """

    study: str
    instance: str
    file: str
    destination: str
    state: str
    attempts: int
    reason: str


_TABLES = """
CREATE TABLE IF NOT EXISTS studies (
    key TEXT PRIMARY KEY, state TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '',
    generation INTEGER NOT NULL DEFAULT 0, changed REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, due REAL NOT NULL DEFAULT 0,
    model TEXT NOT NULL DEFAULT '', made INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS images (
    study TEXT NOT NULL, instance TEXT NOT NULL, file TEXT NOT NULL, digest TEXT NOT NULL,
    bytes INTEGER NOT NULL, PRIMARY KEY (study, instance));
CREATE TABLE IF NOT EXISTS deliveries (
    study TEXT NOT NULL, instance TEXT NOT NULL, file TEXT NOT NULL, destination TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting', attempts INTEGER NOT NULL DEFAULT 0,
    due REAL NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (instance, destination));
CREATE INDEX IF NOT EXISTS by_study ON deliveries (study);
CREATE INDEX IF NOT EXISTS by_instance ON images (instance);
"""
_STUDY = "key, state, reason, generation, changed, attempts, due, model"
_DELIVERY = "study, instance, file, destination, state, attempts, reason"


class Journal:
    """The database; all of the node's threads share one."""

    def __init__(self, path: Path) -> None:
        """Opens it, or makes it.

        Raises:
            PipelineError: It cannot be opened, or is no such database.
        """
        self._lock = threading.RLock()
        try:
            self._base = sqlite3.connect(
                path, timeout=60, isolation_level=None, check_same_thread=False
            )
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute("PRAGMA synchronous=FULL")
            self._base.executescript(_TABLES)
        except sqlite3.Error as error:
            raise PipelineError(
                f"The journal {path} cannot be used ({error}): check that the spool is writable, "
                "or move the file away; studies that are under way must then be sent again."
            ) from error

    def close(self) -> None:
        """Ends the connection."""
        with self._lock:
            self._base.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._base.execute("BEGIN IMMEDIATE")
            try:
                yield self._base
                self._base.execute("COMMIT")
            except BaseException:
                self._base.execute("ROLLBACK")
                raise

    def _read(self, query: str, values: Sequence[object] = ()) -> list[tuple[object, ...]]:
        with self._lock:
            return self._base.execute(query, values).fetchall()

    def digest(self, study: str, instance: str) -> str | None:
        """The digest of an image that is there; None if it is not."""
        rows = self._read(
            "SELECT digest FROM images WHERE study = ? AND instance = ?", (study, instance)
        )
        return str(rows[0][0]) if rows else None

    def size(self, study: str) -> int:
        """How many images a study has."""
        rows = self._read("SELECT COUNT(*) FROM images WHERE study = ?", (study,))
        return int(str(rows[0][0]))

    def held(self) -> int:
        """The bytes of all images, and of what was made of them."""
        query = (
            "SELECT (SELECT COALESCE(SUM(bytes), 0) FROM images) + "
            "(SELECT COALESCE(SUM(made), 0) FROM studies)"
        )
        return int(str(self._read(query)[0][0]))

    def made(self, study: str, size: int) -> int:
        """Notes how many bytes were made of a study; returns how many more than before."""
        with self._writing() as base:
            rows = base.execute("SELECT made FROM studies WHERE key = ?", (study,)).fetchall()
            base.execute("UPDATE studies SET made = ? WHERE key = ?", (size, study))
        return size - int(rows[0][0]) if rows else 0

    def images(self, study: str) -> list[str]:
        """The files of a study's images, in the order of their UIDs."""
        query = "SELECT file FROM images WHERE study = ? ORDER BY instance"
        return [str(row[0]) for row in self._read(query, (study,))]

    def find_image(self, instance: str) -> tuple[str, str] | None:
        """The study and the file of an image; None if it is not there."""
        rows = self._read("SELECT study, file FROM images WHERE instance = ?", (instance,))
        return (str(rows[0][0]), str(rows[0][1])) if rows else None

    def add(self, study: str, instance: str, file: str, digest: str, size: int, now: float) -> None:
        """Files an image; its study is received again, and answers not yet sent are withdrawn."""
        with self._writing() as base:
            base.execute(
                "INSERT INTO images VALUES (?, ?, ?, ?, ?)", (study, instance, file, digest, size)
            )
            base.execute(
                "INSERT INTO studies (key, state, changed) VALUES (?, 'received', ?) "
                "ON CONFLICT (key) DO UPDATE SET state = 'received', reason = '', attempts = 0, "
                "due = 0, generation = generation + 1, changed = excluded.changed",
                (study, now),
            )
            base.execute("DELETE FROM deliveries WHERE study = ? AND state != 'sent'", (study,))

    def studies(self) -> list[Study]:
        """All studies, the last to change first."""
        query = f"SELECT {_STUDY} FROM studies ORDER BY changed DESC"  # noqa: S608 - our own columns
        return [_study(row) for row in self._read(query)]

    def find(self, beginning: str) -> Study:
        """The one study whose key begins like this.

        Raises:
            PipelineError: There is none, or several.
        """
        found = [one for one in self.studies() if beginning and one.key.startswith(beginning)]
        if len(found) != 1:
            many = "several studies begin" if found else "no study begins"
            raise PipelineError(f"{many} with {beginning!r}: `mri pacs status` lists them.")
        return found[0]

    def next_in(self, state: State, now: float) -> Study | None:
        """The oldest study in a state that is due; None if there is none."""
        query = (
            f"SELECT {_STUDY} FROM studies WHERE state = ? AND due <= ? "  # noqa: S608 - our own columns
            "ORDER BY due, changed LIMIT 1"
        )
        rows = self._read(query, (state.value, now))
        return _study(rows[0]) if rows else None

    def settle(self, before: float) -> int:
        """Calls all studies complete to which nothing came since a time; returns how many."""
        with self._writing() as base:
            return base.execute(
                "UPDATE studies SET state = 'stable' WHERE state = 'received' AND changed <= ?",
                (before,),
            ).rowcount

    def move(self, study: Study, state: State, reason: str = "", *, model: str = "") -> bool:
        """Takes a study on to another state, unless its images have changed.

        Returns:
            Whether it was.
        """
        with self._writing() as base:
            return self._move(base, study, state, reason, model)

    def answer(
        self, study: Study, files: Sequence[tuple[str, str]], destinations: Sequence[str]
    ) -> bool:
        """Files what was made of a study, to be delivered; what a destination has stays sent.

        Args:
            study: It.
            files: UID and file name of each answer.
            destinations: Their names.

        Returns:
            Whether it was, as in `move`.
        """
        with self._writing() as base:
            if not self._move(base, study, State.ANSWERED, "", study.model):
                return False
            base.executemany(
                "INSERT OR IGNORE INTO deliveries (study, instance, file, destination) "
                "VALUES (?, ?, ?, ?)",
                [(study.key, *one, to) for one in files for to in destinations],
            )
            self._close(base, study.key)  # a destination may have all of them already
            return True

    def _move(
        self, base: sqlite3.Connection, study: Study, state: State, reason: str, model: str
    ) -> bool:
        changed = base.execute(
            "UPDATE studies SET state = ?, reason = ?, attempts = 0, due = 0, "
            "model = CASE WHEN ? = '' THEN model ELSE ? END WHERE key = ? AND generation = ?",
            (state.value, reason, model, model, study.key, study.generation),
        )
        return changed.rowcount == 1

    def postpone(self, study: Study, reason: str, due: float) -> None:
        """Notes that a try failed, and when the next one is due."""
        with self._writing() as base:
            base.execute(
                "UPDATE studies SET attempts = attempts + 1, reason = ?, due = ? "
                "WHERE key = ? AND generation = ?",
                (reason, due, study.key, study.generation),
            )

    def deliveries(self, study: str) -> list[Delivery]:
        """All that is to be delivered of a study, or was."""
        query = f"SELECT {_DELIVERY} FROM deliveries WHERE study = ? ORDER BY destination, file"  # noqa: S608 - our own columns
        return [_delivery(row) for row in self._read(query, (study,))]

    def due(self, destination: str, now: float) -> list[Delivery]:
        """What is to be sent to a destination now."""
        query = (
            f"SELECT {_DELIVERY} FROM deliveries WHERE destination = ? AND state = 'waiting' "  # noqa: S608 - our own columns
            "AND due <= ? ORDER BY rowid LIMIT 100"
        )
        return [_delivery(row) for row in self._read(query, (destination, now))]

    def sent(self, delivery: Delivery) -> None:
        """Notes that a destination has an answer; with the last one its study is delivered.

        That is noted, too, if the answer was withdrawn while it was on its way: if the study is
        answered again with the same one, it is not sent again.
        """
        with self._writing() as base:
            base.execute(
                "INSERT INTO deliveries (study, instance, file, destination, state) "
                "VALUES (?, ?, ?, ?, 'sent') ON CONFLICT (instance, destination) "
                "DO UPDATE SET state = 'sent', reason = '', due = 0",
                (delivery.study, delivery.instance, delivery.file, delivery.destination),
            )
            self._close(base, delivery.study)

    def missed(self, delivery: Delivery, reason: str, due: float | None) -> None:
        """Notes that a try failed; without another one due, the answer is a dead letter."""
        state = "waiting" if due is not None else "dead"
        with self._writing() as base:
            base.execute(
                "UPDATE deliveries SET state = ?, reason = ?, due = ?, attempts = attempts + 1 "
                "WHERE instance = ? AND destination = ? AND state = 'waiting'",
                (state, reason, due or 0, delivery.instance, delivery.destination),
            )
            self._close(base, delivery.study)

    def retire(self, destinations: Sequence[str]) -> int:
        """Makes dead letters of what waits for destinations that are no more.

        Args:
            destinations: The names of those that are.

        Returns:
            How many answers.
        """
        query = "SELECT DISTINCT study, destination FROM deliveries WHERE state = 'waiting'"
        with self._writing() as base:
            count = 0
            for study, destination in base.execute(query).fetchall():
                if destination in destinations:
                    continue
                count += base.execute(
                    "UPDATE deliveries SET state = 'dead', due = 0, reason = ? "
                    "WHERE study = ? AND destination = ? AND state = 'waiting'",
                    (f"no destination is called {destination} any more", study, destination),
                ).rowcount
                self._close(base, study)
        return count

    @staticmethod
    def _close(base: sqlite3.Connection, study: str) -> None:
        """Ends an answered study of which nothing waits to be delivered any more."""
        base.execute(
            "UPDATE studies SET "
            "state = CASE WHEN EXISTS (SELECT 1 FROM deliveries WHERE study = key "
            "AND state = 'dead') THEN 'failed' ELSE 'delivered' END, "
            "reason = CASE WHEN EXISTS (SELECT 1 FROM deliveries WHERE study = key "
            "AND state = 'dead') THEN 'an answer could not be delivered' ELSE '' END "
            "WHERE key = ? AND state = 'answered' AND NOT EXISTS "
            "(SELECT 1 FROM deliveries WHERE study = key AND state = 'waiting')",
            (study,),
        )

    def retry(self, key: str, destinations: Sequence[str]) -> None:
        """Begins a failed, skipped or waiting study again where it stands.

        Args:
            key: The study's.
            destinations: The names of those that there are; answers to others are given up.
        """
        with self._writing() as base:
            rows = base.execute(
                "SELECT DISTINCT destination FROM deliveries WHERE study = ? AND state != 'sent'",
                (key,),
            ).fetchall()
            for (destination,) in rows:
                if destination not in destinations:
                    base.execute(
                        "DELETE FROM deliveries WHERE study = ? AND destination = ? "
                        "AND state != 'sent'",
                        (key, destination),
                    )
            base.execute(
                "UPDATE deliveries SET state = 'waiting', attempts = 0, due = 0 "
                "WHERE study = ? AND state != 'sent'",
                (key,),
            )
            base.execute(
                "UPDATE studies SET attempts = 0, due = 0, reason = '', state = CASE "
                "WHEN state IN ('failed', 'skipped') THEN ? ELSE state END WHERE key = ?",
                ("answered" if rows else "stable", key),
            )
            self._close(base, key)

    def forget(self, study: Study) -> int | None:
        """Removes a study, if it stands as it did.

        Args:
            study: It, as it was told.

        Returns:
            The bytes that it had; None if it is another by now, and stays.
        """
        with self._writing() as base:
            rows = base.execute(
                "DELETE FROM studies WHERE key = ? AND generation = ? AND state = ? RETURNING made",
                (study.key, study.generation, study.state.value),
            ).fetchall()
            if not rows:
                return None
            images = base.execute(
                "DELETE FROM images WHERE study = ? RETURNING bytes", (study.key,)
            ).fetchall()
            base.execute("DELETE FROM deliveries WHERE study = ?", (study.key,))
        return int(rows[0][0]) + sum(int(one[0]) for one in images)

    def counts(self) -> dict[str, int]:
        """How many studies are in each state."""
        rows = self._read("SELECT state, COUNT(*) FROM studies GROUP BY state")
        found = {str(state): int(str(count)) for state, count in rows}
        return {state.value: found.get(state.value, 0) for state in State}

    def dead(self) -> list[Delivery]:
        """All dead letters."""
        query = f"SELECT {_DELIVERY} FROM deliveries WHERE state = 'dead' ORDER BY study"  # noqa: S608 - our own columns
        return [_delivery(row) for row in self._read(query)]


def _study(row: tuple[object, ...]) -> Study:
    key, state, *rest = row
    return Study(str(key), State(state), *rest)  # type: ignore[arg-type]


def _delivery(row: tuple[object, ...]) -> Delivery:
    return Delivery(*row)  # type: ignore[arg-type]
