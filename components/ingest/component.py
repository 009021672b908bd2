"""The ingest component: a folder of images in, tf.Example splits out."""

from pathlib import Path

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ExecutionParameter

from components.ingest.artifacts import IngestReportFile, RejectedImages, SplitAssignment
from components.ingest.config import IngestConfig
from components.ingest.driver import IngestDriver
from components.ingest.executor import IngestExecutor
from components.source_digest import source_digest


class IngestSpec(types.ComponentSpec):
    """What ingest takes and gives.

    The driver fills in `fingerprint`, `split_file` and `labels`, digests of the folder, of the
    split file and of the table of labels, so that what has changed is never answered from cache;
    and `history`, where an earlier ingestion wrote down its splits. Where these and `cache` lie
    decides nothing, and is left out of what the cache is keyed by.
    """

    PARAMETERS = {
        "input_base": ExecutionParameter(type=str),
        "config": ExecutionParameter(type=str),
        "cache": ExecutionParameter(type=str),
        "code": ExecutionParameter(type=str),
        "fingerprint": ExecutionParameter(type=str, optional=True),
        "split_file": ExecutionParameter(type=str, optional=True),
        "labels": ExecutionParameter(type=str, optional=True),
        "history": ExecutionParameter(type=str, optional=True),
    }
    INPUTS: dict[str, ChannelParameter] = {}
    OUTPUTS = {
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "rejected": ChannelParameter(type=RejectedImages),
        "splits": ChannelParameter(type=SplitAssignment),
        "report": ChannelParameter(type=IngestReportFile),
    }


class Ingest(base_beam_component.BaseBeamComponent):
    """Reads class folders of images into train, eval and test splits."""

    SPEC_CLASS = IngestSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(IngestExecutor)
    DRIVER_CLASS = IngestDriver

    def __init__(self, input_base: str, config: IngestConfig, cache: Path | None = None) -> None:
        """Specifies the component.

        Args:
            input_base: The data folder.
            config: How it becomes splits.
            cache: A folder for what spares reading the same files again, or None.
        """
        super().__init__(
            IngestSpec(
                input_base=input_base,
                config=config.model_dump_json(),
                cache=str(cache or ""),
                code=source_digest("components.ingest.executor"),
                **{
                    name: types.Channel(type=output.type)
                    for name, output in IngestSpec.OUTPUTS.items()
                },
            )
        )
