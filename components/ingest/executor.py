"""The work of ingest: look at every image, decide its split, write the Examples."""

import csv
import json
import logging
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import tensorflow as tf
from tfx import types
from tfx.components.example_gen.write_split import DEFAULT_TF_RECORD_FILE_NAME
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils

from components.counted import counted
from components.errors import PipelineError
from components.ingest.artifacts import HISTORY, REJECTED_FILE
from components.ingest.bucket_data import data_folder
from components.ingest.config import IngestConfig, settings_digest
from components.ingest.counts import folder_counts
from components.ingest.evidence.find import find_evidence
from components.ingest.folder import ImageFolder, list_data
from components.ingest.history import History
from components.ingest.kept import kept_picture
from components.ingest.looks import Rejection
from components.ingest.planned import Chosen, images_to_write, written
from components.ingest.report import IngestReport
from components.ingest.sides import Sides
from components.ingest.split_names import SPLITS
from components.ingest.splits import (
    EXCLUDED,
    SPLIT_FILE,
    Assignment,
    assign_splits,
    remember,
    write_splits,
)
from components.ingest.survey import Survey, survey
from components.ingest.workers import on_workers
from components.plans import write_plan
from components.spreadsheet import harmless, harmless_path
from components.whole_file import whole_file

_SHARD = 1024
"""Images whose Examples are in one file."""

_LOG = logging.getLogger(__name__)


class IngestExecutor(base_beam_executor.BaseBeamExecutor):
    """Looks at, splits and writes the images of a folder."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[types.Artifact]],  # noqa: ARG002 - TFX's
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Turns the data folder into Examples, and says what became of every file.

        Args:
            input_dict: Empty.
            output_dict: `examples`, `rejected`, `splits` and `report`.
            exec_properties: `input_base`, `config` (JSON of an `IngestConfig`), and from the
                driver `fingerprint` and `history` (a folder, or nothing).

        Raises:
            PipelineError: No image can be used, the images cannot be split, or the folder changes.
        """
        config = IngestConfig.model_validate_json(exec_properties["config"])
        outputs = {
            name: artifact_utils.get_single_instance(found) for name, found in output_dict.items()
        }
        cache = Path(exec_properties["cache"]) if exec_properties.get("cache") else None
        folder = list_data(data_folder(exec_properties["input_base"]), config)
        folder = folder.with_contents(config.max_file_bytes, cache)
        _check_unchanged(folder, exec_properties["fingerprint"])
        history = History()
        if remembered := exec_properties.get("history"):
            history = History.read(Path(remembered))

        beam_options = self._beam_pipeline_args or ()
        with tempfile.TemporaryDirectory(dir=self._get_tmp_dir()) as name:
            scratch = Path(name)
            found = survey(folder, config, beam_options, scratch, history, keep=True)
            # What could not be read has no digest that could be compared.
            again = folder.with_contents(config.max_file_bytes, cache)
            _check_unchanged(again, exec_properties["fingerprint"])
            _check_usable(found)
            assignment = assign_splits(found, config, history)
            _LOG.info("writing %s images", f"{len(found.records):,}")
            outputs["examples"].split_names = artifact_utils.encode_split_names(list(SPLITS))
            _write_examples(
                found, assignment.splits, config, scratch, outputs["examples"], beam_options
            )
        _write_rejected(Path(outputs["rejected"].uri) / REJECTED_FILE, found.rejections)
        write_splits(Path(outputs["splits"].uri) / SPLIT_FILE, found, assignment.splits)
        remember(found, assignment.splits, history, Path(outputs["splits"].uri))
        pictures = tuple(record.picture for record in found.records)
        groups = found.grouping.groups[: len(pictures)]
        sides = Sides(pictures, found.links, groups, assignment.splits)
        sides.write(Path(outputs["splits"].uri))
        report = _report(found, assignment, config)
        report.write(Path(outputs["report"].uri))
        _describe(outputs, report, exec_properties)


def _write_examples(
    found: Survey,
    splits: Sequence[str],
    config: IngestConfig,
    scratch: Path,
    examples: types.Artifact,
    beam_options: Sequence[str],
) -> None:
    chosen: dict[str, list[Chosen]] = defaultdict(list)
    for record, split, group, seen in zip(
        found.records, splits, found.grouping.groups, found.seen, strict=False
    ):
        chosen[split].append(Chosen(record, group, seen))
    shards = (part for split in SPLITS for part in _shards(chosen[split], split, examples))
    write = partial(_write_shard, config=config, source=found.folder.name, scratch=scratch)
    on_workers(write, write_plan(scratch, "examples", shards), beam_options)


def _shards(images: Sequence[Chosen], split: str, examples: types.Artifact) -> Iterator[pa.Table]:
    folder = Path(artifact_utils.get_split_uri([examples], split))
    folder.mkdir()
    starts = range(0, len(images), _SHARD)
    for number, start in enumerate(starts):
        name = f"{DEFAULT_TF_RECORD_FILE_NAME}-{number:05}-of-{len(starts):05}.gz"
        yield images_to_write(folder / name, images[start : start + _SHARD])


def _write_shard(part: pa.Table, config: IngestConfig, source: str, scratch: Path) -> None:
    """Writes a file of tf.Examples. Nothing reads them by their order, so it is that of names."""
    path, images = written(part)
    with whole_file(path) as file, tf.io.TFRecordWriter(str(file), "GZIP") as writer:
        for record, group, seen in images:
            assert record.kept is not None
            example = record.to_example(
                kept_picture(scratch, record.kept, record.sha256),
                class_index=config.classes.index(record.label),
                source=source,
                group=group,
                seen=seen,
            )
            writer.write(example.SerializeToString())


def _check_unchanged(folder: ImageFolder, fingerprint: str) -> None:
    if folder.fingerprint != fingerprint:
        raise PipelineError(
            f"{folder.root} changed while it was being listed: run again when nothing writes to "
            "it, or bring new images as a span-NNN folder that is renamed into place."
        )


def _check_usable(found: Survey) -> None:
    if not found.records:
        counts = Counter(rejection.reason for rejection in found.rejections)
        if unnamed := found.folder.unnamed:
            counts["not named in the label table"] = unnamed
        reasons = counts.most_common(3)
        raise PipelineError(
            f"None of {counted(counts.total(), 'file')} in {found.folder.root} can be used "
            f"({'; '.join(f'{count:,} x {reason}' for reason, count in reasons)})."
        )


def _write_rejected(path: Path, rejections: Sequence[Rejection]) -> None:
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "reason"])
        writer.writerows([harmless_path(one.name), harmless(one.reason)] for one in rejections)


def _report(found: Survey, assignment: Assignment, config: IngestConfig) -> IngestReport:
    records, groups = found.records, found.grouping.groups[: len(found.records)]
    labels = (record.label for record in records)
    images = Counter(zip(assignment.splits, labels, strict=True))
    training = [index for index, split in enumerate(assignment.splits) if split == "train"]
    return IngestReport(
        **folder_counts(found, config.classes),
        evidence=find_evidence(found, config, training),
        source=found.folder.name,
        span=found.folder.spans[-1],
        spans=found.folder.spans,
        fingerprint=found.folder.fingerprint,
        policy=config.split_policy,
        classes=config.classes,
        images={
            split: {name: images[split, name] for name in config.classes}
            for split in (*SPLITS, EXCLUDED)
        },
        groups=len(set(groups)),
        remaining_cross_split=assignment.remaining_cross_split,
        history=assignment.remembered,
        unlinked=found.unlinked,
        nameless=sum(
            record.source_format == "DICOM" and record.tags.patient is None for record in records
        ),
    )


def _describe(
    outputs: dict[str, types.Artifact], report: IngestReport, properties: dict[str, Any]
) -> None:
    """Records on the artifacts what the terminal, the driver and a later run need to know."""
    examples = outputs["examples"]
    examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)
    examples_utils.set_file_format(examples, "tfrecords_gzip")
    splits, rejected = outputs["splits"], outputs["rejected"]
    for artifact in (examples, splits):
        artifact.set_string_custom_property("fingerprint", report.fingerprint)
        artifact.set_string_custom_property("policy", report.policy)
        artifact.set_int_custom_property("span", report.span)
    splits.set_string_custom_property("input_base", properties["input_base"])
    splits.set_string_custom_property(HISTORY, properties.get("history", ""))
    splits.set_string_custom_property("settings", settings_digest(properties))
    splits.set_int_custom_property("unlinked", report.unlinked)
    examples.set_string_custom_property("classes", json.dumps(report.classes))
    for split in (*SPLITS, EXCLUDED):
        examples.set_int_custom_property(f"images_{split}", report.count(split))
    for count in ("found", "rejected", "passed_over", "unnamed"):
        rejected.set_int_custom_property(count, getattr(report, count))
