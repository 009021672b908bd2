"""The public "Brain Tumor MRI Dataset" on Kaggle: which version, what it holds, how it is fetched.

kagglehub downloads and unpacks it. Everything happens in a hidden folder beside the one that is
asked for, which appears by a rename once it has been counted and checked. An archive that came in
part stays in the hidden folder, and kagglehub goes on from there.
"""

import contextlib
import errno
import fcntl
import logging
import os
import queue
import shutil
import tarfile
import threading
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Protocol

from imaging.reader import file_format

HANDLE = "masoudnickparvar/brain-tumor-mri-dataset"
VERSION = 1
"""The version of 7,023 images that published figures speak of; version 2 holds 7,200."""
PAGE = f"https://www.kaggle.com/datasets/{HANDLE}/versions/{VERSION}"
EXPECTED: Mapping[str, Mapping[str, int]] = {
    "Training": {"glioma": 1321, "meningioma": 1339, "notumor": 1595, "pituitary": 1457},
    "Testing": {"glioma": 300, "meningioma": 306, "notumor": 405, "pituitary": 300},
}
"""Images by folder and class."""

_START_BYTES = 4096
_BY_HAND = f"download {PAGE} by hand, unpack it, and give the folder to `mri run --data FOLDER`"
_SILENCE_SECONDS = 30.0
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, ValueError)


class FetchError(Exception):
    """The images could not be fetched, or are not the ones that were asked for."""


class Progress(Protocol):
    """Receives what is being done, how much of it is done and how much there is.

    The numbers are bytes while downloading and files while checking; `total` is None where it is
    not known.
    """

    def __call__(self, step: str, done: int, total: int | None, /) -> None:
        """Takes one report."""


def fetch(out: Path, report: Progress) -> bool:
    """Puts the images into a folder, unless they are there already.

    Args:
        out: The folder to make, with `Training/CLASS` and `Testing/CLASS` in it.
        report: Receives the progress.

    Returns:
        Whether anything was fetched: False if `out` held the very same set before.

    Raises:
        FetchError: `out` holds something else or cannot be written; Kaggle cannot be reached or
            refuses; the download broke off (it goes on when it is asked for again) or is not the
            set of images that it should be.
    """
    download = out.parent / f".{out.name}.download"
    try:
        if _is_taken(out):
            if problem := _problem(out, report):
                raise FetchError(f"{out} exists and {problem}: name another folder, or remove it.")
            return False
        with _exclusive(download):
            images = _download(download, report)
            if problem := _problem(images, report):
                shutil.rmtree(download)
                raise FetchError(
                    f"What Kaggle sent {problem}; nothing was kept. You can {_BY_HAND}."
                )
            images.rename(out)
            shutil.rmtree(download, ignore_errors=True)
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise FetchError(
                f"The images do not fit into {out.parent}: free 500 MB there, or name a folder on "
                "another disk."
            ) from error
        raise FetchError(f"{out} cannot be written: {error.strerror or error}.") from error
    return True


def _is_taken(out: Path) -> bool:
    """Whether there is anything where the folder should go; an empty folder is nothing."""
    if out.is_dir():
        return any(out.iterdir())
    return out.is_symlink() or out.exists()


def _problem(folder: Path, report: Progress) -> str:
    """What is wrong with the images in a folder, as the end of a sentence; empty if nothing is."""
    files = sorted(path for path in folder.glob("*/*/*") if path.is_file())
    unreadable = []
    for done, path in enumerate(files):
        report("checking the images", done, len(files))
        if not _is_image(path):
            unreadable.append(path.relative_to(folder).as_posix())
    found = Counter((path.parts[-3], path.parts[-2]) for path in files)
    expected = Counter(
        {(split, label): n for split, labels in EXPECTED.items() for label, n in labels.items()}
    )
    wrong = [
        f"{'/'.join(place)} {found[place]} instead of {expected[place]}"
        for place in sorted(expected | found)
        if found[place] != expected[place]
    ]
    if wrong:
        return (
            f"holds {found.total():,} files in class folders where version {VERSION} has "
            f"{expected.total():,} ({_first(wrong)})"
        )
    if unreadable:
        return f"holds {len(unreadable):,} files that are no images ({_first(unreadable)})"
    return ""


def _first(items: list[str]) -> str:
    more = f", and {len(items) - 2:,} more" if len(items) > 2 else ""
    return ", ".join(items[:2]) + more


def _is_image(path: Path) -> bool:
    with path.open("rb") as file:
        return file_format(file.read(_START_BYTES)) in ("JPEG", "PNG")


@contextlib.contextmanager
def _exclusive(download: Path) -> Iterator[None]:
    """Makes the hidden folder, keeps a second download out of it, and leaves none that is empty."""
    download.mkdir(parents=True, exist_ok=True)
    with (download / ".lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FetchError(
                f"Another `mri data fetch` is writing into {download}: wait until it is done."
            ) from error
        try:
            yield
        finally:
            if not _bytes_below(download):
                shutil.rmtree(download, ignore_errors=True)


def _download(download: Path, report: Progress) -> Path:
    """Lets kagglehub download and unpack, and gives up if it stands still.

    It sets no time limit of its own on the first connection, hence the thread; one that is given up
    ends with the process.
    """
    before = _bytes_below(download)
    answers: queue.SimpleQueue[Path | Exception] = queue.SimpleQueue()
    with _prepared_kagglehub(download, report) as dataset_download:

        def work() -> None:
            try:
                answers.put(Path(dataset_download(f"{HANDLE}/versions/{VERSION}")))
            except Exception as error:  # noqa: BLE001 - handed to the thread that waits
                answers.put(error)

        report("asking Kaggle", 0, None)
        threading.Thread(target=work, daemon=True).start()
        seen = before
        while True:
            try:
                answer = answers.get(timeout=_SILENCE_SECONDS)
                break
            except queue.Empty:
                written = _bytes_below(download)
                if written == seen:
                    raise _broken("nothing came for a while", before, written) from None
                seen = written
    if isinstance(answer, Exception):
        if explained := _explained(answer, download, before):
            raise explained from answer
        raise answer
    return answer


@contextlib.contextmanager
def _prepared_kagglehub(download: Path, report: Progress) -> Iterator["_DatasetDownload"]:
    """Tells kagglehub where to write, to take nothing from a notebook's mounts, and to be quiet."""
    import kagglehub
    import kagglehub.clients

    class Meter:
        """Takes the place of the bar that kagglehub draws on standard error."""

        def __init__(self, total: int, initial: int, **_: object) -> None:
            self._done, self._total = initial, total

        def __enter__(self) -> "Meter":
            return self

        def __exit__(
            self,
            kind: type[BaseException] | None,
            error: BaseException | None,
            trace: TracebackType | None,
        ) -> None:
            if error is None:
                report("unpacking", 0, None)

        def update(self, count: int) -> None:
            self._done += count
            report("downloading", self._done, self._total)

    settings = {
        "KAGGLEHUB_CACHE": str(download),
        "DISABLE_KAGGLE_CACHE": "1",
        "DISABLE_COLAB_CACHE": "1",
    }
    previous = {name: os.environ.get(name) for name in settings}
    bar = kagglehub.clients.tqdm
    logging.getLogger("kagglehub").setLevel(logging.CRITICAL)
    os.environ.update(settings)
    kagglehub.clients.tqdm = Meter
    try:
        yield kagglehub.dataset_download
    finally:
        kagglehub.clients.tqdm = bar
        for name, value in previous.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class _DatasetDownload(Protocol):
    def __call__(self, handle: str, /) -> str: ...


def _explained(error: Exception, download: Path, before: int) -> FetchError | None:
    """The sentence for what kagglehub raised; None for what is no more than a defect."""
    import requests
    from kagglehub.exceptions import DataCorruptionError

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return _refused(error.response.status_code)
    if isinstance(error, requests.RequestException):
        return _broken(_reason(error), before, _bytes_below(download))
    received = _bytes_below(download)
    if isinstance(error, DataCorruptionError) or (isinstance(error, _DAMAGED) and received):
        shutil.rmtree(download)
        return FetchError(
            "What came is not the archive that Kaggle announced, and it was removed: give the same "
            f"command again, or {_BY_HAND}."
        )
    if isinstance(error, ValueError):
        return FetchError(
            f"kagglehub cannot use the Kaggle credentials on this machine: mend or remove "
            f"kaggle.json, or {_BY_HAND}."
        )
    return None


def _refused(status: int) -> FetchError:
    if status in (401, 403):
        return FetchError(
            f"Kaggle refused the download (HTTP {status}): put a valid Kaggle token into "
            f"KAGGLE_API_TOKEN or ~/.kaggle/access_token, or {_BY_HAND}."
        )
    if status == 404:
        return FetchError(
            f"Kaggle does not offer version {VERSION} of {HANDLE} here (HTTP 404): {_BY_HAND}."
        )
    return FetchError(f"Kaggle answered HTTP {status}: try again later, or {_BY_HAND}.")


def _broken(reason: str, before: int, received: int) -> FetchError:
    """The sentence for a connection that was not made, or that broke."""
    if received > before:
        return FetchError(
            f"The download broke off after {received / 1e6:.1f} MB ({reason}): give the same "
            "command again, and it goes on from there."
        )
    kept = f"; {received / 1e6:.1f} MB from before are kept" if received else ""
    return FetchError(
        f"Kaggle cannot be reached ({reason}{kept}): try again with a connection, or {_BY_HAND}."
    )


def _reason(error: Exception) -> str:
    """A few words; the error's own would show addresses and proxies."""
    import requests

    for kind, words in (
        (requests.exceptions.ProxyError, "the proxy did not let it through"),
        (requests.exceptions.SSLError, "its certificate was not accepted"),
        (requests.exceptions.Timeout, "no answer in time"),
        (requests.exceptions.ChunkedEncodingError, "the connection was cut"),
        (requests.exceptions.ConnectionError, "no connection"),
    ):
        if isinstance(error, kind):
            return words
    return "its answer made no sense"


def _bytes_below(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # written and renamed meanwhile
                total += (Path(parent) / name).stat().st_size
    return total
