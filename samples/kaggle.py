"""The public "Brain Tumor MRI Dataset" on Kaggle: which version, what it holds, how it is fetched.

kagglehub downloads and unpacks it, with its own bar, into a cache of its own: a hidden folder
beside the one that is asked for. Once the images have been counted and checked, a rename brings
them where they belong. An archive that came in part stays, and kagglehub goes on from there.
"""

import contextlib
import errno
import fcntl
import os
import shutil
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import kagglehub
import requests
from kagglehub.exceptions import DataCorruptionError

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
_DAMAGED = (
    *(DataCorruptionError, zipfile.BadZipFile, tarfile.TarError),
    *(zlib.error, EOFError, ValueError),
)


class FetchError(Exception):
    """The images could not be fetched, or are not the ones that were asked for.

    The message says what happened and what to do.
    """


class FolderTakenError(FetchError):
    """There is something else where the images should go."""


def fetch(out: Path) -> bool:
    """Puts the images into a folder, unless they are there already.

    Args:
        out: The folder to make, with `Training/CLASS` and `Testing/CLASS` in it.

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
            if problem := _problem(out):
                raise FolderTakenError(
                    f"{out} exists and {problem}: name another folder, or remove it."
                )
            return False
        with _exclusive(download):
            images = _download(download)
            if problem := _problem(images):
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


def _problem(folder: Path) -> str:
    """What is wrong with the images in a folder, as the end of a sentence; empty if nothing is."""
    files = sorted(path for path in folder.glob("*/*/*") if path.is_file())
    unreadable = [path.relative_to(folder).as_posix() for path in files if not _is_image(path)]
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
            f"holds {found.total():,} files in class folders, but version {VERSION} has "
            f"{expected.total():,} ({_first(wrong)})"
        )
    if unreadable:
        return f"holds {len(unreadable):,} files that are not images ({_first(unreadable)})"
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


def _download(download: Path) -> Path:
    """Lets kagglehub download and unpack, and turns what it raises into sentences."""
    before = _bytes_below(download)
    try:
        with _kagglehub_in(download):
            return Path(kagglehub.dataset_download(f"{HANDLE}/versions/{VERSION}"))
    except requests.HTTPError as error:
        raise _refused(error.response.status_code) from error  # type: ignore[union-attr]
    except requests.RequestException as error:
        raise _broken(_reason(error), before, _bytes_below(download)) from error
    except _DAMAGED as error:
        if isinstance(error, ValueError) and not _bytes_below(download):
            raise FetchError(
                "kagglehub cannot use the Kaggle credentials on this machine: repair or remove "
                f"kaggle.json, or {_BY_HAND}."
            ) from error
        shutil.rmtree(download)
        raise FetchError(
            "The download is not the archive that Kaggle announced, and it was removed: give the "
            f"same command again, or {_BY_HAND}."
        ) from error


@contextlib.contextmanager
def _kagglehub_in(folder: Path) -> Iterator[None]:
    """Has kagglehub write into a folder, and take nothing from a notebook's mounts.

    A connection that stands still is given up; kagglehub names no limit and would wait forever.
    """
    settings = {
        "KAGGLEHUB_CACHE": str(folder),
        "DISABLE_KAGGLE_CACHE": "1",
        "DISABLE_COLAB_CACHE": "1",
    }
    before = {name: os.environ[name] for name in settings if name in os.environ}
    send = requests.Session.send

    def limited(self: requests.Session, request: Any, **options: Any) -> requests.Response:
        return send(self, request, **{"timeout": _SILENCE_SECONDS, **options})

    os.environ.update(settings)
    requests.Session.send = limited  # type: ignore[method-assign]
    try:
        yield
    finally:
        requests.Session.send = send  # type: ignore[method-assign]
        for name in settings:
            del os.environ[name]
        os.environ.update(before)


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
            f"The download stopped after {received / 1e6:.1f} MB ({reason}): run the same "
            "command again to resume it."
        )
    kept = f"; {received / 1e6:.1f} MB from before are kept" if received else ""
    return FetchError(
        f"Kaggle cannot be reached ({reason}{kept}): try again with a connection, or {_BY_HAND}."
    )


def _reason(error: Exception) -> str:
    """A few words; the error's own would show addresses and proxies."""
    for kind, words in (
        (requests.exceptions.ProxyError, "the proxy refused it"),
        (requests.exceptions.SSLError, "its certificate was not accepted"),
        (requests.exceptions.Timeout, "no answer in time"),
        (requests.exceptions.ChunkedEncodingError, "the connection was cut"),
        (requests.exceptions.ConnectionError, "no connection"),
    ):
        if isinstance(error, kind):
            return words
    return "its answer could not be understood"


def _bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
