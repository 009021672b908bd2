"""The work of SchemaGen: put the classes into the curated schema and write it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx import types
from tfx.components.schema_gen.executor import DEFAULT_FILE_NAME
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from components.transform.preprocessing import CLASS, LABEL
from schema import SCHEMA_FILE


class CuratedSchemaExecutor(base_executor.BaseExecutor):
    """Writes the curated schema for some classes."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[types.Artifact]],  # noqa: ARG002 - TFX's
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes a Schema artifact.

        Args:
            input_dict: Empty.
            output_dict: `schema`.
            exec_properties: `classes`, a JSON list.
        """
        schema = curated_schema(json.loads(exec_properties["classes"]))
        folder = Path(artifact_utils.get_single_uri(output_dict["schema"]))
        (folder / DEFAULT_FILE_NAME).write_text(
            text_format.MessageToString(schema, as_utf8=True), encoding="utf-8"
        )


def curated_schema(classes: Sequence[str]) -> schema_pb2.Schema:
    """Reads the curated schema and puts classes into it.

    Args:
        classes: Class names in the order of their indices.

    Returns:
        The schema, in which a label is one of the names and a class one of their indices.
    """
    schema = text_format.Parse(SCHEMA_FILE.read_text(encoding="utf-8"), schema_pb2.Schema())
    features = {feature.name: feature for feature in schema.feature}
    features[LABEL].string_domain.value[:] = classes
    features[CLASS].int_domain.min = 0
    features[CLASS].int_domain.max = len(classes) - 1
    return schema
