"""The SchemaGen component: the curated schema, for the classes that are configured."""

import json
from pathlib import Path

from google.protobuf import text_format
from tfx.dsl.component.experimental.annotations import OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Schema

from components.schema_gen.curated import curated_schema

_FILE = "schema.pbtxt"  # TFX names it so, in a module that loads all of its components


@component
def SchemaGen(
    schema: OutputArtifact[Schema], classes: Parameter[str], code: Parameter[str]
) -> None:
    """Gives the schema that is written by hand, with the configured classes in it.

    It takes the place of TFX's SchemaGen, which infers a schema from data, and of ImportSchemaGen,
    which would need the file to be edited for other classes.

    Args:
        schema: The schema.
        classes: Class names in the order of their indices, a JSON list.
        code: Digest of this code and of the curated schema, for TFX's cache.
    """
    curated = curated_schema(json.loads(classes))
    text = text_format.MessageToString(curated, as_utf8=True)
    Path(schema.uri, _FILE).write_text(text, encoding="utf-8")
