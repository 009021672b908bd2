"""The SchemaGen component: the curated schema, for the classes that are configured."""

import hashlib
import json
from collections.abc import Sequence

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ExecutionParameter

from components.schema_gen.executor import CuratedSchemaExecutor
from components.source_digest import source_digest
from schema import SCHEMA_FILE


class CuratedSchemaGenSpec(types.ComponentSpec):
    """What SchemaGen takes and gives; `curated` and `code` are there for TFX's cache."""

    PARAMETERS = {
        "classes": ExecutionParameter(type=str),
        "curated": ExecutionParameter(type=str),
        "code": ExecutionParameter(type=str),
    }
    INPUTS: dict[str, ChannelParameter] = {}
    OUTPUTS = {"schema": ChannelParameter(type=standard_artifacts.Schema)}


class CuratedSchemaGen(base_component.BaseComponent):
    """Gives the schema that is written by hand, with the configured classes in it.

    It takes the place of TFX's SchemaGen, which infers a schema from data, and of ImportSchemaGen,
    which would need the file to be edited for other classes.
    """

    SPEC_CLASS = CuratedSchemaGenSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(CuratedSchemaExecutor)

    def __init__(self, classes: Sequence[str]) -> None:
        """Specifies the component, whose id is `SchemaGen`.

        Args:
            classes: Class names in the order of their indices.
        """
        super().__init__(
            CuratedSchemaGenSpec(
                classes=json.dumps(list(classes)),
                curated=hashlib.sha256(SCHEMA_FILE.read_bytes()).hexdigest()[:16],
                code=source_digest("components.schema_gen.executor"),
                schema=types.Channel(type=standard_artifacts.Schema),
            )
        )
        self.with_id("SchemaGen")
