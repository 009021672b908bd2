"""What TFX's own nodes do differently on Beam's workers here."""

import apache_beam as beam
from apache_beam.options.pipeline_options import DirectOptions, StandardOptions
from tfx.utils import dependency_utils
from tfx_bsl.tfxio import record_based_tfxio

_LOCAL = ("none", "fnapirunner", "directrunner")
_IN_ONE_PROCESS = ("in_memory", "multi_threading")


def leave_out_tfx() -> None:
    """Keeps TFX from packing itself for Beam's workers, once for each node that uses Beam.

    That takes seconds, and leaves 52 MB in the system's temporary folder. Workers that have our
    components have TFX as well.
    """
    dependency_utils.make_beam_dependency_flags = list


def spread_records() -> None:
    """Has every worker read Examples, and each get as many.

    As TFX reads them, all records of a file go on where the file is read, and an engine may have
    one worker read every file. Within one process there is nobody to share with, and records that
    are dealt out are all in memory first, so there TFX reads them as ever.
    """
    record_based_tfxio.ReadTfRecord = ReadSpread


@beam.typehints.with_output_types(bytes)
class ReadSpread(beam.PTransform):
    """Reads TFRecord files; in the place of `tfx_bsl.tfxio.record_based_tfxio.ReadTfRecord`."""

    def __init__(self, file_pattern: list[str]) -> None:
        """Says what is read.

        Args:
            file_pattern: At least one pattern.
        """
        super().__init__()
        self._patterns = file_pattern

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        """Adds the steps to a pipeline; records come out, as bytes."""
        if _in_one_process(begin.pipeline.options):
            return begin | "Read" >> _READ(self._patterns)
        return (
            begin
            | "Patterns" >> beam.Create(self._patterns)
            | "Read" >> beam.io.ReadAllFromTFRecord()
            | "Spread" >> beam.Reshuffle().with_output_types(bytes)
        )


_READ = record_based_tfxio.ReadTfRecord


def _in_one_process(options: beam.options.pipeline_options.PipelineOptions) -> bool:
    runner = str(options.view_as(StandardOptions).runner).lower()
    mode = options.view_as(DirectOptions).direct_running_mode
    return runner in _LOCAL and mode in _IN_ONE_PROCESS
