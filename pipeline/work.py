"""The one folder that holds everything a run writes."""

import errno
import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from components.errors import PipelineError, path_error
from components.ingest.config import SALT_FILE_VARIABLE, SALT_VARIABLE
from pipeline.paths import demand_plain

GRAPH_FILE = "pipeline.json"
"""In a run's folder: the compiled graph."""

LOG_FILE = "log.txt"
"""In a run's folder: what libraries printed."""

ENDED_FILE = "ended.json"
"""In a run's folder: how it ended; a run that was killed has none."""

PAGE_FILE = "ended.html"
"""In the folder of a run on a cluster: the page of its end."""

CACHE_FOLDER = "cache"
"""In a work folder: what spares later runs work."""


@dataclass(frozen=True)
class Work:
    """Where things lie below a work folder.

    Attributes:
        root: The folder, absolute; what is recorded of it must have one name, so `..` goes.
    """

    root: Path

    def __post_init__(self) -> None:
        """Goes up where the path says so, from where a link leads; other links stay in it.

        Raises:
            PipelineError: The folder has a path that libraries cannot use.
        """
        if ".." in self.root.parts:
            object.__setattr__(self, "root", self.root.resolve())
        demand_plain(self.root, "work folder (--work)")

    @property
    def artifacts(self) -> Path:
        """TFX's pipeline root: every component's outputs."""
        return self.root / "artifacts"

    @property
    def metadata(self) -> Path:
        """ML Metadata's SQLite file."""
        return self.root / "metadata.sqlite"

    @property
    def serving(self) -> Path:
        """Pushed models, `serving/NAME/VERSION`."""
        return self.root / "serving"

    @property
    def sample(self) -> Path:
        """The synthetic images."""
        return self.root / "sample"

    @property
    def cache(self) -> Path:
        """What spares later runs work, and may be removed at any time."""
        return self.root / CACHE_FOLDER

    @property
    def requests(self) -> Path:
        """Where a model server logs what it was asked, and `mri monitor` reads it."""
        return self.root / "requests"

    @property
    def temporary(self) -> Path:
        """What libraries write and forget."""
        return self.root / "tmp"

    @property
    def runs(self) -> Path:
        """One folder a run, named by the run's id: GRAPH_FILE, LOG_FILE, ENDED_FILE, PAGE_FILE."""
        return self.root / "runs"

    @property
    def schedule(self) -> Path:
        """What `mri schedule` and `mri watch` remember, and the logs of the runs they started."""
        return self.root / "schedule"

    def is_busy(self) -> bool:
        """Whether a run holds the folder now."""
        try:
            with (self.root / "lock").open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def patient_salt(self) -> str:
        """The secret that patient ids are hashed with here; made once, for its owner's eyes."""
        path = self.root / "patient-salt"
        # An empty one is what a kill or a full disk once left, and hides nothing.
        if path.exists() and not path.stat().st_size:
            path.unlink()
        if not path.exists():
            own = path.with_name(f".unfinished-{secrets.token_hex(4)}-{path.name}")
            try:
                own.touch(mode=0o600)
                own.write_text(secrets.token_hex(16), encoding="ascii")
                _link(own, path)
            finally:
                own.unlink(missing_ok=True)
        return path.read_text(encoding="ascii")

    def lend_patient_salt(self) -> None:
        """Tells ingest where this folder's salt is, which counts where the environment has none."""
        if not os.environ.get(SALT_VARIABLE, "").strip():
            self.patient_salt()
        os.environ[SALT_FILE_VARIABLE] = str(self.root / "patient-salt")

    def new_run(self) -> Path:
        """Makes the folder of a new run; its name, the time to the millisecond, is the run's id.

        Raises:
            PipelineError: It cannot be made.
        """
        run_id = datetime.now().isoformat(timespec="milliseconds").replace(":", "-")
        folder = self.runs / run_id
        with self.writing():
            folder.mkdir(parents=True)
        return folder

    @contextmanager
    def exclusively(self, say: Callable[[str], None] | None = None) -> Iterator[None]:
        """Creates the folder and holds it for one run; what libraries write goes to `temporary`.

        Args:
            say: Is told that another run holds it, which is then waited for; None to refuse.

        Raises:
            PipelineError: It cannot be written, or another run holds it.
        """
        with self._held(fcntl.LOCK_EX, say):
            with self.writing():
                self.temporary.mkdir(exist_ok=True)
            before = os.environ.get("TMPDIR"), tempfile.tempdir
            os.environ["TMPDIR"] = tempfile.tempdir = str(self.temporary)
            try:
                yield
            finally:
                variable, tempfile.tempdir = before
                if variable is None:
                    del os.environ["TMPDIR"]
                else:
                    os.environ["TMPDIR"] = variable
                self._forget_temporary()

    @contextmanager
    def shared(self, say: Callable[[str], None] | None = None) -> Iterator[None]:
        """Creates the folder and holds it beside others that share it, as tasks on a cluster do.

        Args:
            say: Is told that a run has it for itself, which is then waited for; None to refuse.

        Raises:
            PipelineError: It cannot be written, or a run has it for itself.
        """
        with self._held(fcntl.LOCK_SH, say):
            yield

    @contextmanager
    def node_turn(self, node_id: str) -> Iterator[None]:
        """Waits until no other process is at the same place: two would write the same files.

        Args:
            node_id: The node, or what else is done once at a time.
        """
        locks = self.root / "locks"
        locks.mkdir(exist_ok=True)
        with (locks / node_id).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Says what to do where the folder cannot be written.

        Raises:
            PipelineError: It cannot.
        """
        try:
            yield
        except OSError as error:
            raise path_error(error)(
                f"The work folder {self.root} cannot be written ({error.strerror}): choose another "
                "with --work."
            ) from error

    def _forget_temporary(self) -> None:
        # Behind a link lies what may be somebody else's.
        if self.temporary.is_symlink() or not self.temporary.is_dir():
            return
        for left in list(self.temporary.iterdir()):
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left, ignore_errors=True)
            else:
                with suppress(OSError):
                    left.unlink()

    @contextmanager
    def _held(self, mode: int, say: Callable[[str], None] | None) -> Iterator[None]:
        with self.writing():
            self.root.mkdir(parents=True, exist_ok=True)
            lock = (self.root / "lock").open("w")
        with lock:
            try:
                fcntl.flock(lock, mode | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if say is None:
                    raise PipelineError(
                        f"Another command is using {self.root}: wait for it, or choose another "
                        "folder with --work."
                    ) from error
                say(f"another command is using {self.root}: waiting for it")
                fcntl.flock(lock, mode)
            yield


def _link(file: Path, path: Path) -> None:
    """Gives a file a name, unless another task was first: then its file keeps it."""
    try:
        path.hardlink_to(file)
    except FileExistsError:
        return
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):
            raise
        file.replace(path)  # storage without links
