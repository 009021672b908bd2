"""Looks at the data folder before ingest runs, so that TFX's cache knows when it has changed."""

import hashlib
from pathlib import Path

from ml_metadata.proto import metadata_store_pb2 as pb
from tfx.dsl.components.base import base_driver
from tfx.orchestration import metadata
from tfx.orchestration.portable import base_driver as portable_driver
from tfx.orchestration.portable import data_types
from tfx.proto.orchestration import driver_output_pb2

from components.ingest.artifacts import SplitAssignment
from components.ingest.config import IngestConfig, settings_digest
from components.ingest.folder import list_images
from components.ingest.labels import read_labels
from components.properties import text_of


# TFX's component class demands the one base, its launcher calls the other.
class IngestDriver(base_driver.BaseDriver, portable_driver.BaseDriver):
    """Adds to the execution properties, which TFX's cache is keyed by, what depends on the day."""

    def __init__(self, metadata_handle: metadata.Metadata) -> None:
        """Keeps ML Metadata's handle, as the launcher wants it."""
        base_driver.BaseDriver.__init__(self, metadata_handle)
        portable_driver.BaseDriver.__init__(self, metadata_handle)

    def run(self, execution_info: data_types.ExecutionInfo) -> driver_output_pb2.DriverOutput:
        """Fingerprints the data folder's listing and finds what earlier ingestions decided."""
        properties = dict(execution_info.exec_properties)
        config = IngestConfig.model_validate_json(properties["config"])
        folder = list_images(
            Path(properties["input_base"]),
            span=config.span,
            window=config.window,
            labels=read_labels(config.labels, config.classes),
        )
        properties["fingerprint"] = folder.fingerprint
        properties["split_file"] = _digest(config.split_file)
        properties["labels"] = _digest(config.labels)
        properties["history"] = self._history(properties, config)
        output = driver_output_pb2.DriverOutput()
        for name, value in properties.items():
            output.exec_properties[name].string_value = value
        return output

    def _history(self, properties: dict[str, str], config: IngestConfig) -> str:
        """Folder of the newest splits of the same data folder and policy, but of another ingestion.

        The same content under the same settings again finds the same history, and so is answered
        from cache.
        """
        itself = (properties["fingerprint"], settings_digest(properties))
        with self._mlmd_connection as handle:
            earlier = [
                artifact
                for artifact in handle.store.get_artifacts_by_type(SplitAssignment.TYPE_NAME)
                if artifact.state == pb.Artifact.LIVE
                and text_of(artifact, "input_base") == properties["input_base"]
                and text_of(artifact, "policy") == config.split_policy
                and (text_of(artifact, "fingerprint"), text_of(artifact, "settings")) != itself
            ]
        return max(earlier, key=lambda artifact: artifact.id).uri if earlier else ""


def _digest(file: Path | None) -> str:
    # One that cannot be read is the executor's to explain.
    if file is None or not file.is_file():
        return ""
    return hashlib.sha256(file.read_bytes()).hexdigest()
