"""TFX's drivers, publisher and cache, imported without what only executors need.

TFX imports TensorFlow, Apache Beam and its own components where they are installed and does without
them where they are not, as with the package `ml-pipelines-sdk`. Loading them takes seconds, and a
node that is answered from cache needs none of them. What is imported here therefore does not see
them, unless they are loaded already; executors import them as ever. TFX then reads and writes
artifacts through its plugin for local files instead of TensorFlow's.

Other modules of this package import TFX's orchestration and our artifacts' types from here.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_ONLY_FOR_EXECUTORS = ("apache_beam", "tensorflow", "tfx.components")


@contextmanager
def left_out(*names: str) -> Iterator[None]:
    """Lets imports of packages fail, as where they are not installed.

    Python's import system raises ModuleNotFoundError for a name whose entry in `sys.modules` is
    None.

    Args:
        names: The packages; those that are loaded already stay.
    """
    absent = [name for name in names if name not in sys.modules]
    for name in absent:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


with left_out(*_ONLY_FOR_EXECUTORS):
    from tfx.dsl.compiler.constants import PIPELINE_RUN_ID_PARAMETER_NAME
    from tfx.orchestration.local import runner_utils
    from tfx.orchestration.metadata import Metadata
    from tfx.orchestration.portable import partial_run_utils, runtime_parameter_utils
    from tfx.utils import path_utils

    import components.gate.artifacts
    import components.ingest.artifacts  # noqa: F401 - TFX finds the class of an artifact by its name
    from components.evaluate.artifacts import ModelReport, PredictionsFile

__all__ = [
    "PIPELINE_RUN_ID_PARAMETER_NAME",
    "Metadata",
    "ModelReport",
    "PredictionsFile",
    "launcher_for",
    "partial_run_utils",
    "path_utils",
    "runner_utils",
    "runtime_parameter_utils",
]


def launcher_for(*, beam: bool) -> Any:
    """TFX's module `launcher`.

    Args:
        beam: Whether it shall launch a node that runs on Beam. Once imported without, it cannot.
    """
    if beam:
        import apache_beam  # noqa: F401 - loaded, so that TFX sees it

    with left_out(*_ONLY_FOR_EXECUTORS):
        from tfx.orchestration.portable import launcher
    return launcher
