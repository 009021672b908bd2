"""Custom properties of artifacts, as ML Metadata has them."""

from ml_metadata.proto import metadata_store_pb2 as pb

MODEL_ID = "model_id"
"""Which model an artifact of one of several components is about."""


def text_of(artifact: pb.Artifact, name: str) -> str:
    """A property, empty where it is not set."""
    # Looking up what a protobuf map does not hold would add it.
    properties = artifact.custom_properties
    return str(properties[name].string_value) if name in properties else ""


def number_of(artifact: pb.Artifact, name: str) -> int:
    """A property, 0 where it is not set."""
    properties = artifact.custom_properties
    return int(properties[name].int_value) if name in properties else 0
