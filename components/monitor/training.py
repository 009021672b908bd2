"""What is kept of the images that a model was trained on: their statistics."""

from pathlib import Path

from google.protobuf.message import DecodeError
from tensorflow_metadata.proto.v0 import statistics_pb2

from components.errors import UsageError, path_error
from components.gate.drift import Statistics
from schema.statistics import STATISTICS_FILE

_TRAINING = Path("Split-train") / STATISTICS_FILE


def read_statistics(path: Path) -> Statistics:
    """Reads TFDV's statistics.

    Args:
        path: The file, or the folder of an ExampleStatistics artifact.

    Returns:
        Those of the training images.

    Raises:
        PipelineError: They cannot be read, or are empty.
    """
    file = path / _TRAINING if path.is_dir() else path
    try:
        read = statistics_pb2.DatasetFeatureStatisticsList.FromString(file.read_bytes())
    except OSError as error:
        raise path_error(error)(
            f"The statistics {file} cannot be read: {error.strerror}."
        ) from error
    except DecodeError as error:
        raise UsageError(
            f"{file} does not hold statistics: give a FeatureStats.pb, or the folder of "
            "StatisticsGen's output."
        ) from error
    if not read.datasets:
        raise UsageError(f"The statistics {file} are empty.")
    return read
