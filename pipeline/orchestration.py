"""TFX's drivers, publisher and cache, imported without what only executors need.

TFX imports TensorFlow, Apache Beam and its own components where they are installed and does without
them where they are not, as in the package `ml-pipelines-sdk`. Loading them takes seconds, and a
node that is answered from cache needs none of them. What is imported here therefore does not see
them, unless they are loaded already; executors import them as ever. TFX then reads and writes
artifacts through its plugin for local files instead of TensorFlow's.

Other modules of this package take TFX's orchestration and our artifacts' types from here.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from ml_metadata.proto import metadata_store_pb2 as pb
from tfx.proto.orchestration import executable_spec_pb2, execution_result_pb2, pipeline_pb2

from components.left_out import left_out

_FOR_EXECUTORS = ("apache_beam", "tensorflow", "tfx.components")

with left_out(*_FOR_EXECUTORS):
    from tfx.dsl.compiler.constants import (
        NODE_CONTEXT_TYPE_NAME,
        PIPELINE_CONTEXT_TYPE_NAME,
        PIPELINE_RUN_CONTEXT_TYPE_NAME,
        PIPELINE_RUN_ID_PARAMETER_NAME,
    )
    from tfx.orchestration import data_types_utils
    from tfx.orchestration.local import runner_utils
    from tfx.orchestration.metadata import Metadata
    from tfx.orchestration.portable import (
        cache_utils,
        data_types,
        inputs_utils,
        partial_run_utils,
        runtime_parameter_utils,
    )
    from tfx.orchestration.portable.base_executor_operator import BaseExecutorOperator
    from tfx.types import Artifact
    from tfx.types.standard_artifacts import InfraBlessing, ModelBlessing, PushedModel
    from tfx.utils import path_utils

    # TFX finds the class of an artifact by its name, once its module is loaded.
    from components.evaluate.artifacts import ModelReport, PredictionsFile
    from components.gate.artifacts import GateVerdict
    from components.ingest.artifacts import SplitAssignment
    from components.properties import MODEL_ID

__all__ = [
    "MODEL_ID",
    "NODE_CONTEXT_TYPE_NAME",
    "PIPELINE_CONTEXT_TYPE_NAME",
    "PIPELINE_RUN_CONTEXT_TYPE_NAME",
    "PIPELINE_RUN_ID_PARAMETER_NAME",
    "GateVerdict",
    "InfraBlessing",
    "Metadata",
    "ModelBlessing",
    "ModelReport",
    "PredictionsFile",
    "PushedModel",
    "SplitAssignment",
    "node_launcher",
    "partial_run_utils",
    "path_utils",
    "runtime_parameter_utils",
]

_BEAM = executable_spec_pb2.BeamExecutableSpec
_PYTHON = executable_spec_pb2.PythonClassExecutableSpec


class DeferredExecutorOperator(BaseExecutorOperator):
    """TFX's operator for an executor, made when the executor is to run.

    TFX's own imports the executor as soon as the launcher is made, before the cache is asked.

    The executor gets its properties as they were declared. What a driver made of these says what
    decides, and is there for the cache's key alone: where a folder lies decides nothing, and yet
    the executor must know.
    """

    SUPPORTED_EXECUTOR_SPEC_TYPE = [_BEAM, _PYTHON]
    SUPPORTED_PLATFORM_CONFIG_TYPE: list[type] = []

    def run_executor(
        self, execution_info: data_types.ExecutionInfo
    ) -> execution_result_pb2.ExecutorOutput:
        """Imports the executor and runs it."""
        declared = inputs_utils.resolve_parameters_with_schema(
            node_parameters=execution_info.pipeline_node.parameters
        )
        execution_info.exec_properties.update(data_types_utils.build_parsed_value_dict(declared))
        from tfx.orchestration.portable.launcher import DEFAULT_EXECUTOR_OPERATORS

        spec = self._executor_spec
        if isinstance(spec, _BEAM):
            from components.beam_nodes import leave_out_tfx, spread_records

            leave_out_tfx()
            spread_records()
        operator = DEFAULT_EXECUTOR_OPERATORS[type(spec)](spec, self._platform_config)
        operator.with_execution_watcher(self._execution_watcher_address)
        return operator.run_executor(execution_info)


_tfx_cache_context = cache_utils.get_cache_context


def _cache_context(
    metadata_handle: Metadata,
    *others: Any,
    input_artifacts: Mapping[str, Sequence[Artifact]] | None = None,
    parameters: Mapping[str, Any] | None = None,
    **more: Any,
) -> pb.Context:
    """TFX's key of the cache, of what its database records: where that lies decides nothing.

    TFX hashes the input artifacts' URIs, and so would find nothing in a work folder that was moved.
    """
    paths = getattr(metadata_handle.store, "paths", None)
    if paths is not None:
        input_artifacts = copy.deepcopy(dict(input_artifacts or {}))
        for artifacts in input_artifacts.values():
            for artifact in artifacts:
                paths.record(artifact.mlmd_artifact)
        parameters = {
            name: paths.recorded(value) if isinstance(value, str) else value
            for name, value in (parameters or {}).items()
        }
    return _tfx_cache_context(
        metadata_handle, *others, input_artifacts=input_artifacts, parameters=parameters, **more
    )


cache_utils.get_cache_context = _cache_context


def node_launcher(
    ir: pipeline_pb2.Pipeline, node: pipeline_pb2.PipelineNode, handle: Metadata
) -> Any:
    """Makes TFX's launcher of a node.

    Args:
        ir: The compiled pipeline with its run id set.
        node: The node.
        handle: ML Metadata.

    Returns:
        A `tfx.orchestration.portable.launcher.Launcher`. TFX finds Beam once for a process: one
        that launches nodes with Beam and nodes without must have imported Beam before the first.
    """
    deployment = runner_utils.extract_local_deployment_config(ir)
    node_id = node.node_info.id
    executor = runner_utils.extract_executor_spec(deployment, node_id)
    if isinstance(executor, _BEAM):
        import apache_beam  # noqa: F401 - TFX looks for it in sys.modules
    with left_out(*_FOR_EXECUTORS):
        from tfx.orchestration.portable import launcher

    def operator(executor_spec: Any, platform_config: Any) -> BaseExecutorOperator:  # noqa: ARG001 - what decides is not all that it takes
        return DeferredExecutorOperator(executor, platform_config)

    return launcher.Launcher(
        pipeline_node=node,
        mlmd_connection=handle,
        pipeline_info=ir.pipeline_info,
        pipeline_runtime_spec=ir.runtime_spec,
        executor_spec=_deciding(executor),
        custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, node_id),
        custom_executor_operators=dict.fromkeys((_BEAM, _PYTHON), operator),
    )


def _deciding(executor: Any) -> Any:
    """What of an executor's specification the cache is keyed by: not how much at once Beam does."""
    if not isinstance(executor, _BEAM):
        return executor
    decides = _BEAM()
    decides.CopyFrom(executor)
    decides.ClearField("beam_pipeline_args")
    decides.ClearField("beam_pipeline_args_placeholders")
    return decides
