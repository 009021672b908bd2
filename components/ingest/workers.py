"""Runs a step of ingest on Beam's workers."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from components.errors import through_beam

_Part = TypeVar("_Part")


def on_workers(
    work: Callable[[_Part], None], parts: Sequence[_Part], beam_options: Sequence[str]
) -> None:
    """Does each part of some work, in any order.

    Whole files are all that a part leaves, under names that only depend on the part, so a runner
    may do one again. Beam's own sinks would take longer for a small folder than the images do.

    Args:
        work: Does a part; it is pickled.
        parts: What there is to do.
        beam_options: Options for Apache Beam.

    Raises:
        PipelineError: A worker raised it.
    """
    with through_beam(), beam.Pipeline(options=PipelineOptions(list(beam_options))) as pipeline:
        _ = pipeline | "Parts" >> beam.Create(parts) | "Work" >> beam.Map(work)
