"""Properties of artifacts and executions, as ML Metadata has them."""

from ml_metadata.proto import metadata_store_pb2 as pb

MODEL_ID = "model_id"
"""Which model an artifact of one of several components is about."""


def text_of(one: pb.Artifact | pb.Execution, name: str) -> str:
    """A custom property, empty where it is not set."""
    # Looking up what a protobuf map does not hold would add it.
    properties = one.custom_properties
    return str(properties[name].string_value) if name in properties else ""


def number_of(one: pb.Artifact | pb.Execution, name: str) -> int:
    """A custom property, 0 where it is not set."""
    properties = one.custom_properties
    return int(properties[name].int_value) if name in properties else 0


def parameter_of(execution: pb.Execution, name: str) -> str:
    """A parameter of a component, empty where it is not set.

    TFX keeps it as a custom property or, where the execution's type names it, as another.
    """
    properties = execution.properties
    written = str(properties[name].string_value) if name in properties else ""
    return text_of(execution, name) or written
