"""What systems, editors and downloads leave in folders: neither images nor files to complain of."""

import os
import re
from collections.abc import Callable, Iterator

_FOLDERS = re.compile(
    r"\..*"  # hidden
    r"|\$recycle\.bin|recycle[dr]|system volume information"  # of Windows
    r"|__macosx|network trash folder|temporary items"  # of macOS
    r"|#recycle|#snapshot|@eadir|@recycle|@recently-snapshot"  # of network storage
    r"|lost\+found|__pycache__",
    re.DOTALL,
)
_FILES = re.compile(
    r"\..*"  # hidden: .DS_Store, ._scan.jpg, .~lock.scan.csv#, .keep
    r"|autorun\.inf|desktop\.ini|ehthumbs(_vista)?\.db|picasa\.ini|thumbs\.db(:encryptable)?"
    r"|icon\r"
    r"|dicomdir"  # an index of DICOM files, which are beside it
    r"|~\$.*"  # an office programme's lock
    r"|.*~|#.*#"  # an editor's copy
    r"|.*\.(te?mp|part|partial|filepart|crdownload|opdownload|download|aria2|!ut|swp)",
    re.DOTALL,
)
"""Both in lower case."""


def is_leftover(name: str, *, folder: bool = False) -> bool:
    """Tells by its name whether something is left behind, rather than meant.

    Args:
        name: The name of a file or folder, without the folders above it, in any case.
        folder: Whether it is a folder; what is in it is left behind, too.

    Returns:
        True also for all that is hidden.
    """
    return (_FOLDERS if folder else _FILES).fullmatch(name.lower()) is not None


class Leftovers:
    """Lists folders without what is left behind, and counts that.

    Attributes:
        count: Files and folders that were passed over; a folder counts as one.
    """

    def __init__(self) -> None:
        """Nothing is passed over yet."""
        self.count = 0

    def passes_over(self, name: str, *, folder: bool = False) -> bool:
        """Whether something is left behind, as in `is_leftover`; it is counted then."""
        found = is_leftover(name, folder=folder)
        self.count += found
        return found

    def files(
        self,
        root: str | os.PathLike[str],
        refuse: Callable[[OSError], None],
        *,
        without: str | None = None,
    ) -> Iterator[str]:
        """Walks through all files below a folder, and below the folders that links lead to.

        A folder is listed once, wherever links to it are, so that there is no way in circles.

        Args:
            root: The folder.
            refuse: Called with the error where a folder cannot be listed.
            without: The real path of a folder below that is not listed.

        Yields:
            Paths, beginning with `root`.
        """
        seen = set[tuple[int, int]]()
        # Plain strings: a folder may hold a million files.
        for place, folders, names in os.walk(root, onerror=refuse, followlinks=True):
            try:
                status = os.stat(place)  # noqa: PTH116 - millions of names
            except OSError as error:  # gone since it was listed
                refuse(error)
                continue
            if (status.st_dev, status.st_ino) in seen:
                folders.clear()
                continue
            seen.add((status.st_dev, status.st_ino))
            folders[:] = sorted(
                name
                for name in folders
                if not self.passes_over(name, folder=True)
                and (without is None or os.path.realpath(os.path.join(place, name)) != without)  # noqa: PTH118 - millions of names
            )
            for name in names:
                if not self.passes_over(name):
                    yield os.path.join(place, name)  # noqa: PTH118 - millions of names
