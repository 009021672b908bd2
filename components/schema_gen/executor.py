"""The work of SchemaGen: write the curated schema of the run's classes."""

import json
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tfx import types
from tfx.components.schema_gen.executor import DEFAULT_FILE_NAME
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from components.schema_gen.curated import curated_schema


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
