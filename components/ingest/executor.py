"""The work of ingest: look at every image, decide its split, write the Examples."""

import csv
import json
import logging
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import tensorflow as tf
from tfx import types
from tfx.components.example_gen.write_split import DEFAULT_TF_RECORD_FILE_NAME
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils

from components.errors import PipelineError
from components.ingest.artifacts import HISTORY
from components.ingest.config import IngestConfig, settings_digest
from components.ingest.folder import SPLITS, ImageFolder, list_images
from components.ingest.history import History
from components.ingest.kept import KeptPictures
from components.ingest.labels import read_labels
from components.ingest.looks import Rejection
from components.ingest.records import ImageRecord
from components.ingest.report import IngestReport
from components.ingest.sides import Sides
from components.ingest.splits import (
    EXCLUDED,
    SPLIT_FILE,
    Assignment,
    assign_splits,
    remember,
    write_splits,
)
from components.ingest.survey import Survey, survey

REJECTED_FILE = "rejected.csv"

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
        folder = list_images(
            Path(exec_properties["input_base"]),
            span=config.span,
            window=config.window,
            labels=read_labels(config.labels, config.classes),
        )
        cache = exec_properties.get("cache")
        known = config.max_file_bytes, Path(cache) if cache else None
        folder = folder.with_contents(*known)
        _check_unchanged(folder, exec_properties["fingerprint"])
        history = History.empty()
        if remembered := exec_properties.get("history"):
            history = History.read(Path(remembered))

        beam_options = self._beam_pipeline_args or ()
        with tempfile.TemporaryDirectory(dir=self._get_tmp_dir()) as name:
            scratch = Path(name)
            kept = KeptPictures(scratch)
            found = survey(folder, config, beam_options, scratch, history, kept)
            # What could not be read has no digest that could be compared.
            _check_unchanged(folder.with_contents(*known), exec_properties["fingerprint"])
            _check_usable(found)
            assignment = assign_splits(found, config, history)
            _LOG.info("writing %s images", f"{len(found.records):,}")
            outputs["examples"].split_names = artifact_utils.encode_split_names(list(SPLITS))
            self._write(found, assignment.splits, config, kept, outputs["examples"])
        _write_rejected(Path(outputs["rejected"].uri) / REJECTED_FILE, found.rejections)
        write_splits(Path(outputs["splits"].uri) / SPLIT_FILE, found, assignment.splits)
        remember(found, assignment.splits, history, Path(outputs["splits"].uri))
        _sides(found, assignment).write(Path(outputs["splits"].uri))
        report = _report(found, assignment, config)
        report.write(Path(outputs["report"].uri))
        _describe(outputs, report, exec_properties)

    def _write(
        self,
        found: Survey,
        splits: Sequence[str],
        config: IngestConfig,
        kept: KeptPictures,
        examples: types.Artifact,
    ) -> None:
        chosen: dict[str, list[_Chosen]] = {split: [] for split in SPLITS}
        for record, split, group, seen in zip(
            found.records, splits, found.grouping.groups, found.seen, strict=False
        ):
            if split != EXCLUDED:
                chosen[split].append((record, group, seen))
        to_example = _ToExample(config, found.folder.name, kept)
        with self._make_beam_pipeline() as pipeline:
            for split in SPLITS:
                (
                    pipeline
                    | f"Images {split}" >> beam.Create(chosen[split])
                    | f"Examples {split}" >> beam.ParDo(to_example)
                    # TFX's WriteSplit shuffles whole Examples; here no reader goes by their order.
                    | f"Write {split}"
                    >> beam.io.WriteToTFRecord(
                        f"{artifact_utils.get_split_uri([examples], split)}/"
                        f"{DEFAULT_TF_RECORD_FILE_NAME}",
                        coder=beam.coders.ProtoCoder(tf.train.Example),
                        file_name_suffix=".gz",
                    )
                )


_Chosen = tuple[ImageRecord, str, bool]
"""A record, its group, and whether it was seen in the training folder."""


class _ToExample(beam.DoFn):
    """Builds the tf.Example of an image that was looked at."""

    def __init__(self, config: IngestConfig, source: str, kept: KeptPictures) -> None:
        self._class_index = {name: index for index, name in enumerate(config.classes)}
        self._source = source
        self._kept = kept

    def process(self, chosen: _Chosen) -> Iterator[tf.train.Example]:
        record, group, seen = chosen
        assert record.kept is not None
        yield record.to_example(
            self._kept.get(record.kept, record.sha256),
            class_index=self._class_index[record.label],
            source=self._source,
            group=group,
            seen=seen,
        )


def _check_unchanged(folder: ImageFolder, fingerprint: str) -> None:
    if folder.fingerprint != fingerprint:
        raise PipelineError(
            f"{folder.root} changes while it is being listed: run again when nothing writes to "
            "it, or bring new images as a span-NNN folder that is renamed into place."
        )


def _check_usable(found: Survey) -> None:
    if not found.records:
        counts = Counter(rejection.reason for rejection in found.rejections)
        if unnamed := found.folder.unnamed:
            counts["not named in the label table"] = unnamed
        reasons = counts.most_common(3)
        raise PipelineError(
            f"None of the {counts.total():,} files in {found.folder.root} can be used "
            f"({'; '.join(f'{count:,} x {reason}' for reason, count in reasons)})."
        )


def _write_rejected(path: Path, rejections: Sequence[Rejection]) -> None:
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "reason"])
        writer.writerows([rejection.name, rejection.reason] for rejection in rejections)


def _sides(found: Survey, assignment: Assignment) -> Sides:
    return Sides(
        tuple(record.picture for record in found.records),
        found.links,
        found.grouping.groups[: len(found.records)],
        assignment.splits,
    )


def _report(found: Survey, assignment: Assignment, config: IngestConfig) -> IngestReport:
    ingested = len({record.path for record in found.records})
    records, groups = found.records, found.grouping.groups[: len(found.records)]
    labels = defaultdict(set)
    for record, group in zip(records, groups, strict=True):
        labels[group].add(record.label)
    return IngestReport(
        source=found.folder.name,
        span=found.folder.spans[-1],
        spans=found.folder.spans,
        fingerprint=found.folder.fingerprint,
        policy=config.split_policy,
        classes=config.classes,
        found=ingested + len(found.rejections),
        ingested=ingested,
        rejected=len(found.rejections),
        passed_over=found.folder.passed_over,
        unnamed=found.folder.unnamed,
        reasons=dict(Counter(rejection.reason for rejection in found.rejections).most_common()),
        images={
            split: {
                name: sum(
                    record.label == name and side == split
                    for record, side in zip(records, assignment.splits, strict=True)
                )
                for name in config.classes
            }
            for split in (*SPLITS, EXCLUDED)
        },
        groups=len(labels),
        largest_group=max(Counter(groups).values()),
        exact_cross_split=sum(found.seen_exactly),
        near_cross_split=sum(found.seen),
        seen={
            name: sum(
                seen and record.label == name
                for record, seen in zip(records, found.seen, strict=True)
            )
            for name in config.classes
        },
        remaining_cross_split=assignment.remaining_cross_split,
        label_conflicts=sum(len(names) > 1 for names in labels.values()),
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
    for artifact in (examples, outputs["splits"]):
        artifact.set_string_custom_property("fingerprint", report.fingerprint)
        artifact.set_string_custom_property("policy", report.policy)
        artifact.set_int_custom_property("span", report.span)
    outputs["splits"].set_string_custom_property("input_base", properties["input_base"])
    outputs["splits"].set_string_custom_property(HISTORY, properties.get("history", ""))
    outputs["splits"].set_string_custom_property("settings", settings_digest(properties))
    examples.set_string_custom_property("classes", json.dumps(report.classes))
    for split in (*SPLITS, EXCLUDED):
        examples.set_int_custom_property(f"images_{split}", report.count(split))
    outputs["rejected"].set_int_custom_property("found", report.found)
    outputs["rejected"].set_int_custom_property("rejected", report.rejected)
    outputs["rejected"].set_int_custom_property("passed_over", report.passed_over)
    outputs["rejected"].set_int_custom_property("unnamed", report.unnamed)
    outputs["splits"].set_int_custom_property("unlinked", report.unlinked)
