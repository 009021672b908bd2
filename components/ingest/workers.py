"""Runs a step of ingest on Beam's workers."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import apache_beam as beam
import pyarrow as pa
from apache_beam.options.pipeline_options import PipelineOptions

from components.errors import through_beam
from components.plans import Parts, Place, read_part


def on_workers(
    work: Callable[[pa.Table], None], plan: Sequence[Path], beam_options: Sequence[str]
) -> None:
    """Does each part of some work, in any order.

    Whole files are all that a part leaves, under names that only depend on the part, so a runner
    may do one again. Beam's own sinks would take longer for a small folder than the images do.

    Args:
        work: Does a part; it is pickled.
        plan: What there is to do, from `components.plans.write_plan`.
        beam_options: Options for Apache Beam.

    Raises:
        PipelineError: A worker raised it.
    """
    with through_beam(), beam.Pipeline(options=PipelineOptions(list(beam_options))) as pipeline:
        _ = pipeline | "Plan" >> Parts(plan) | "Work" >> beam.Map(partial(_do, work=work))


def _do(place: Place, work: Callable[[pa.Table], None]) -> None:
    work(read_part(place))
