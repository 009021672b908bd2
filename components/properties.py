"""Custom properties of artifacts and executions, as ML Metadata has them."""

from ml_metadata.proto import metadata_store_pb2 as pb

MODEL_ID = "model_id"
"""Which model an artifact of one of several components is about."""


def text_of(one: pb.Artifact | pb.Execution, name: str) -> str:
    """A property, empty where it is not set."""
    # Looking up what a protobuf map does not hold would add it.
    properties = one.custom_properties
    return str(properties[name].string_value) if name in properties else ""


def number_of(one: pb.Artifact | pb.Execution, name: str) -> int:
    """A property, 0 where it is not set."""
    properties = one.custom_properties
    return int(properties[name].int_value) if name in properties else 0
