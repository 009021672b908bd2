"""The work of ingest: one Beam pass that looks at every image, one that writes the Examples."""

import csv
import hashlib
import json
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import tensorflow as tf
from tfx import types
from tfx.components.example_gen.write_split import WriteSplit
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils

from components.errors import PipelineError
from components.ingest.config import IngestConfig
from components.ingest.folder import FoundFile, ImageFolder, list_images
from components.ingest.quality import measure
from components.ingest.readers import RejectedImageError, read_image
from components.ingest.records import ImageRecord
from components.ingest.splits import SPLITS, assign_splits

REJECTED_FILE = "rejected.csv"

_LOG = logging.getLogger(__name__)


class IngestExecutor(base_beam_executor.BaseBeamExecutor):
    """Lists, inspects, splits and writes the images of a folder."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[types.Artifact]],  # noqa: ARG002 - TFX's
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Turns the data folder into Examples and a list of rejected files.

        Args:
            input_dict: Empty.
            output_dict: `examples` and `rejected`.
            exec_properties: `input_base`, `config` (JSON of an `IngestConfig`), `fingerprint`.

        Raises:
            PipelineError: Too many files are rejected, or the images cannot be split.
        """
        config = IngestConfig.model_validate_json(exec_properties["config"])
        folder = list_images(Path(exec_properties["input_base"]))
        examples = artifact_utils.get_single_instance(output_dict["examples"])
        rejected = artifact_utils.get_single_instance(output_dict["rejected"])

        _LOG.info("looking at %s files", f"{len(folder.files):,}")
        records, rejections = self._inspect(folder, config)
        _write_rejected(Path(rejected.uri) / REJECTED_FILE, rejections)
        _check_rejected(folder, rejections, config)
        splits = assign_splits(records, config)

        _LOG.info("writing %s examples", f"{len(records):,}")
        examples.split_names = artifact_utils.encode_split_names(list(SPLITS))
        self._write(folder, records, splits, examples)
        _describe(examples, rejected, exec_properties["fingerprint"], folder, splits, rejections)

    def _inspect(
        self, folder: ImageFolder, config: IngestConfig
    ) -> tuple[list[ImageRecord], list[tuple[str, str]]]:
        """Returns the accepted images, and name and reason of each rejected file, both sorted."""
        scratch = Path(self._get_tmp_dir())
        with self._make_beam_pipeline() as pipeline:
            outcome = (
                pipeline
                | "Files" >> beam.Create(folder.files)
                | "Spread" >> beam.Reshuffle()
                | "Inspect" >> beam.ParDo(_Inspect(config)).with_outputs("rejected", main="records")
            )
            for name in ("records", "rejected"):
                outcome[name] | f"Write {name}" >> beam.io.WriteToText(str(scratch / name))
        records = [ImageRecord.from_json(line) for line in _lines(scratch, "records")]
        rejections = [tuple(json.loads(line)) for line in _lines(scratch, "rejected")]
        return sorted(records, key=lambda record: record.name), sorted(rejections)

    def _write(
        self,
        folder: ImageFolder,
        records: Sequence[ImageRecord],
        splits: dict[str, str],
        examples: types.Artifact,
    ) -> None:
        to_example = _ToExample(folder.classes, Path(folder.root).name)
        with self._make_beam_pipeline() as pipeline:
            for split in SPLITS:
                (
                    pipeline
                    | f"Records {split}"
                    >> beam.Create([r for r in records if splits[r.name] == split])
                    | f"Examples {split}" >> beam.ParDo(to_example)
                    | f"Write {split}"
                    >> WriteSplit(
                        artifact_utils.get_split_uri([examples], split),
                        example_gen_pb2.FORMAT_TFRECORDS_GZIP,
                    )
                )


class _Inspect(beam.DoFn):
    """Looks at one file: a line of JSON as a record, or as a rejection."""

    def __init__(self, config: IngestConfig) -> None:
        self._config = config

    def process(self, file: FoundFile) -> Iterator[Any]:
        try:
            image = read_image(file.path, self._config)
        except RejectedImageError as rejection:
            yield beam.pvalue.TaggedOutput("rejected", json.dumps([file.name, str(rejection)]))
            return
        yield ImageRecord(
            path=file.path,
            name=file.name,
            label=file.label,
            folder_split=file.folder_split,
            sha256=hashlib.sha256(image.encoded).hexdigest(),
            group=_picture_digest(image.pixels),
            format=image.format,
            height=image.pixels.shape[0],
            width=image.pixels.shape[1],
            channels=image.channels,
            quality=measure(image.pixels),
        ).to_json()


def _picture_digest(pixels: Any) -> str:
    return hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()


class _ToExample(beam.DoFn):
    """Reads an accepted file once more and builds its tf.Example."""

    def __init__(self, classes: Sequence[str], source: str) -> None:
        self._class_index = {name: index for index, name in enumerate(classes)}
        self._source = source

    def process(self, record: ImageRecord) -> Iterator[tf.train.Example]:
        encoded = Path(record.path).read_bytes()
        if hashlib.sha256(encoded).hexdigest() != record.sha256:
            raise PipelineError(
                f"{record.name} changed while it was being ingested: run again when nothing writes "
                "to the data folder."
            )
        yield record.to_example(encoded, self._class_index[record.label], self._source)


def _lines(folder: Path, prefix: str) -> Iterator[str]:
    for shard in sorted(folder.glob(f"{prefix}-*")):
        with shard.open(encoding="utf-8") as lines:
            yield from (line for line in lines if line.strip())


def _write_rejected(path: Path, rejections: Sequence[tuple[str, str]]) -> None:
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "reason"])
        writer.writerows(rejections)


def _check_rejected(
    folder: ImageFolder, rejections: Sequence[tuple[str, str]], config: IngestConfig
) -> None:
    share = len(rejections) / len(folder.files)
    if share > config.max_rejected_share:
        reasons = Counter(reason for _, reason in rejections).most_common(3)
        raise PipelineError(
            f"{len(rejections):,} of {len(folder.files):,} files ({share:.1%}) in {folder.root} "
            f"cannot be used, more than the limit of {config.max_rejected_share:.1%} "
            f"({'; '.join(f'{count} x {reason}' for reason, count in reasons)}; for example "
            f"{rejections[0][0]!r}): mend the files or raise ingest.max_rejected_share."
        )


def _describe(
    examples: types.Artifact,
    rejected: types.Artifact,
    fingerprint: str,
    folder: ImageFolder,
    splits: dict[str, str],
    rejections: Sequence[tuple[str, str]],
) -> None:
    """Records on the artifacts what a summary, a report and a later run need to know."""
    counts = Counter(splits.values())
    examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)
    examples_utils.set_file_format(examples, "tfrecords_gzip")
    examples.set_string_custom_property("fingerprint", fingerprint)
    examples.set_string_custom_property("classes", json.dumps(folder.classes))
    examples.set_int_custom_property("span", 0)
    for split in SPLITS:
        examples.set_int_custom_property(f"images_{split}", counts[split])
    rejected.set_int_custom_property("found", len(folder.files))
    rejected.set_int_custom_property("rejected", len(rejections))
