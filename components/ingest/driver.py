"""Looks at the data folder before ingest runs, so that TFX's cache knows when it has changed."""

import hashlib
from pathlib import Path

from ml_metadata.proto import metadata_store_pb2 as pb
from tfx.orchestration.portable import data_types

from components.driver import Driver
from components.ingest.artifacts import HISTORY, SplitAssignment
from components.ingest.bucket_data import data_folder
from components.ingest.config import IngestConfig, deciding_settings, settings_digest
from components.ingest.folder import list_data
from components.properties import text_of

_PLACES = ("input_base", "cache")
"""Properties that say where something lies, which decides nothing."""


class IngestDriver(Driver):
    """Adds to the execution properties what depends on the day."""

    def deciding(self, execution_info: data_types.ExecutionInfo) -> dict[str, str]:
        """Looks what the data folder holds, and finds what earlier ingestions decided."""
        properties = dict(execution_info.exec_properties)
        config = IngestConfig.model_validate_json(properties["config"])
        cache = Path(properties["cache"]) if properties.get("cache") else None
        folder = list_data(data_folder(properties["input_base"]), config)
        folder = folder.with_contents(config.max_file_bytes, cache)
        properties["fingerprint"] = folder.fingerprint
        properties["split_file"] = _digest(config.split_file)
        properties["labels"] = _digest(config.labels)
        [made] = execution_info.output_dict.get("splits") or [None]
        properties["history"] = self._history(
            properties, config.split_policy, Path(made.uri).parent if made else None
        )
        properties["config"] = deciding_settings(properties["config"])
        return properties | dict.fromkeys(_PLACES, "")

    def _history(self, properties: dict[str, str], policy: str, place: Path | None) -> str:
        """Folder of the newest splits under the same policy, but of another ingestion.

        Whatever folder these images came in: a copy of an image that was in test is a copy under
        any path. What was ingested before finds what it found then, and so is answered from cache.

        Args:
            properties: The fingerprint and the settings.
            policy: The split policy.
            place: Where the splits of this work folder lie.
        """
        itself = (properties["fingerprint"], settings_digest(properties))
        with self._mlmd_connection as handle:
            known = handle.store.get_artifacts_by_type(SplitAssignment.TYPE_NAME)
        splits = {
            uri: artifact
            for artifact in sorted(known, key=lambda artifact: artifact.id)
            if artifact.state == pb.Artifact.LIVE
            and text_of(artifact, "policy") == policy
            and (uri := _uri_here(artifact.uri, place))
        }
        again = [split for split in splits.values() if _ingestion(split) == itself]
        if again and HISTORY in again[-1].custom_properties:
            remembered = text_of(again[-1], HISTORY)
            if not remembered or remembered in splits:
                return remembered
        others = (uri for uri, split in splits.items() if _ingestion(split) != itself)
        return max(others, key=lambda uri: splits[uri].id, default="")


def _ingestion(splits: pb.Artifact) -> tuple[str, str]:
    return text_of(splits, "fingerprint"), text_of(splits, "settings")


def _uri_here(uri: str, place: Path | None) -> str:
    """Where splits are in this work folder; nothing if they are of another one.

    Several folders may share a database. In one that was moved, what was recorded before paths
    became portable still names where it was.
    """
    if place is None or Path(uri).parent.resolve() == place.resolve():
        return uri
    moved = place / Path(uri).name
    return str(moved) if moved.is_dir() else ""


def _digest(file: Path | None) -> str:
    # One that cannot be read is the executor's to explain.
    if file is None or not file.is_file():
        return ""
    return hashlib.sha256(file.read_bytes()).hexdigest()
