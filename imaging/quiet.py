"""Keeps the libraries that read files from warning: they quote them, and they name people."""

import re
import warnings

_LIBRARIES = re.compile(
    r"(PIL|dicomweb_client|gdcm|highdicom|imagecodecs|nibabel|pydicom|pylibjpeg|pynetdicom|openjpeg"
    r"|tifffile)(\.|$)"
)
_FILTER = ("ignore", None, Warning, _LIBRARIES, 0)


def hush() -> None:
    """Ignores the libraries' warnings from now on, in all threads; others are as before.

    Filters belong to the whole process, so nothing is put back: a thread that did so would let
    another one's warnings through. Whoever clears the filters, as tests do, is followed by the next
    call.
    """
    if warnings.filters[:1] != [_FILTER]:
        warnings.filterwarnings("ignore", module=_LIBRARIES.pattern)
