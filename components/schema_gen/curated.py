"""The curated schema, with the classes of a data set in it."""

from collections.abc import Sequence

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.transform.preprocessing import CLASS, LABEL
from schema import SCHEMA_FILE


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
