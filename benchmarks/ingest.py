"""Ingest, duplicate search included, against TFX's ImportExampleGen on the same images.

    bin/python -m benchmarks.ingest [--quick] [--tenfold] [--data FOLDER]

ImportExampleGen is given the images as ready-made TFRecords: it decodes nothing and compares
nothing. The decode limit is what all cores decode when nothing else is done. DICOM files (one frame
of 512 x 512 pixels and 16 bits, with and without a window) and NIfTI volumes (160 slices of 256 x
256, packed) are made for it. `--tenfold` adds ten perturbed copies of every image, for the growth
of time and memory. Each way runs in a process of its own, so that its peak memory is its own.
"""

import argparse
import io
import json
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks import add_data, drawn
from benchmarks.processes import run_alone
from imaging.reader import decode

_BEAM = ["--runner=FnApiRunner", "--direct_running_mode=in_memory"]


def main() -> None:
    """Runs the ways one after the other and prints their figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="200 images of each class folder")
    parser.add_argument("--tenfold", action="store_true", help="ten perturbed copies as well")
    add_data(parser)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        folder = scratch / "images"
        _link(arguments.data, folder, limit=200 if arguments.quick else None)
        figures = _compare(folder, scratch)
        for kind, write, count in (("dicom", _dicom, 400), ("nifti", _nifti, 60)):
            _make(scratch / kind, write, count // 5 if arguments.quick else count)
            made = _alone(_ingest, scratch / kind, scratch / f"{kind}-out")
            figures[f"{kind}_files_per_second"] = made["images"] / made["seconds"]
        if arguments.tenfold:
            _multiply(folder, scratch / "tenfold", copies=10)
            tenfold = _alone(_ingest, scratch / "tenfold", scratch / "tenfold-out")
            figures |= {f"tenfold_{key}": value for key, value in tenfold.items()}
            figures["tenfold_time_ratio"] = tenfold["seconds"] / figures["ingest_seconds"]
            figures["bytes_of_memory_per_encoded_byte"] = (
                tenfold["peak_bytes"] - figures["ingest_peak_bytes"]
            ) / (tenfold["encoded_bytes"] - figures["encoded_bytes"])
    for key, value in figures.items():
        print(f"{key:<36} {value:,.3f}" if isinstance(value, float) else f"{key:<36} {value:,}")
    print(json.dumps(figures))


def _compare(folder: Path, scratch: Path) -> dict[str, Any]:
    ours = _alone(_ingest, folder, scratch / "ours")
    theirs = _alone(_import, scratch / "ours", scratch / "theirs")
    limit = _alone(_decode, folder, scratch)
    images = ours["images"]
    return {
        "images": images,
        "encoded_bytes": ours["encoded_bytes"],
        "ingest_seconds": ours["seconds"],
        "ingest_images_per_second": images / ours["seconds"],
        "ingest_peak_bytes": ours["peak_bytes"],
        "import_example_gen_seconds": theirs["seconds"],
        "import_example_gen_peak_bytes": theirs["peak_bytes"],
        "times_import_example_gen": ours["seconds"] / theirs["seconds"],
        "decode_limit_images_per_second": images / limit["seconds"],
        "share_of_decode_limit": limit["seconds"] / ours["seconds"],
    }


def _alone(work: Callable[..., dict[str, Any]], *paths: Path) -> dict[str, Any]:
    measured = run_alone(work, *paths)
    return {**measured.figures, "peak_bytes": measured.peak_bytes}


def _ingest(folder: Path, out: Path) -> dict[str, Any]:
    from tfx.types import standard_artifacts

    from components.ingest.artifacts import IngestReportFile, RejectedImages, SplitAssignment
    from components.ingest.config import IngestConfig
    from components.ingest.executor import IngestExecutor
    from components.ingest.folder import list_images

    outputs = {
        "examples": standard_artifacts.Examples(),
        "rejected": RejectedImages(),
        "splits": SplitAssignment(),
        "report": IngestReportFile(),
    }
    for name, artifact in outputs.items():
        artifact.uri = str(out / name)
        Path(artifact.uri).mkdir(parents=True)
    executor = IngestExecutor(_context(out))
    started = time.monotonic()
    cache = out / "cache"  # as in a work folder: what the driver has read is not read again
    listing = list_images(folder).with_contents(cache=cache)
    properties = {
        "input_base": str(folder),
        "cache": str(cache),
        "config": IngestConfig().model_dump_json(),
        "fingerprint": listing.fingerprint,
    }
    executor.Do({}, {name: [artifact] for name, artifact in outputs.items()}, properties)
    return {
        "seconds": time.monotonic() - started,
        "images": len(listing.files),
        "encoded_bytes": sum(file.size for file in listing.files),
    }


def _import(ours: Path, out: Path) -> dict[str, Any]:
    import tensorflow as tf
    from google.protobuf import json_format
    from tfx.components.example_gen.import_example_gen.executor import Executor
    from tfx.proto import example_gen_pb2
    from tfx.types import standard_artifacts

    source = out / "source"
    source.mkdir(parents=True)
    for split in (ours / "examples").iterdir():
        with tf.io.TFRecordWriter(str(source / f"{split.name}.tfrecord")) as writer:
            files = sorted(str(file) for file in split.iterdir())
            for record in tf.data.TFRecordDataset(files, "GZIP"):
                writer.write(record.numpy())
    examples = standard_artifacts.Examples()
    examples.uri = str(out / "examples")
    splits = [path.name.removesuffix(".tfrecord") for path in sorted(source.iterdir())]
    input_config = example_gen_pb2.Input(
        splits=[example_gen_pb2.Input.Split(name=s, pattern=f"{s}.tfrecord") for s in splits]
    )
    properties = {
        "input_base": str(source),
        "input_config": json_format.MessageToJson(input_config),
        "output_config": json_format.MessageToJson(example_gen_pb2.Output()),
        "output_data_format": example_gen_pb2.FORMAT_TF_EXAMPLE,
        "output_file_format": 5,
    }
    executor = Executor(_context(out))
    started = time.monotonic()
    executor.Do({}, {"examples": [examples]}, properties)
    return {"seconds": time.monotonic() - started}


def _context(out: Path) -> Any:
    from tfx.dsl.components.base import base_beam_executor

    from components.beam_nodes import leave_out_tfx

    leave_out_tfx()
    return base_beam_executor.BaseBeamExecutor.Context(
        beam_pipeline_args=_BEAM, tmp_dir=str(out / "tmp"), unique_id="1"
    )


def _decode(folder: Path, _: Path) -> dict[str, Any]:
    from components.ingest.folder import list_images

    paths = [file.path for file in list_images(folder).files]

    def one(path: str) -> None:
        decode(Path(path).read_bytes())

    one(paths[0])
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        started = time.monotonic()
        list(pool.map(one, paths))
        return {"seconds": time.monotonic() - started}


def _link(data: Path, folder: Path, limit: int | None) -> None:
    for source in sorted(path for path in data.glob("*/*") if path.is_dir()):
        target = folder / source.parent.name / source.name
        target.mkdir(parents=True)
        for image in drawn(sorted(source.iterdir()), limit):
            (target / image.name).symlink_to(image.resolve())


def _make(folder: Path, write: Callable[[int, Path], None], count: int) -> None:
    for number in range(count):
        target = folder / ("glioma", "notumor")[number % 2]
        target.mkdir(parents=True, exist_ok=True)
        write(number, target / str(number))


def _head(number: int, size: int) -> Any:
    """Something round with texture, of 12 bits: int16 [size, size]."""
    import numpy as np

    random = np.random.default_rng(number)
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    inside = np.hypot(x / random.uniform(0.6, 0.8), y / random.uniform(0.7, 0.9)) < 1
    blocks = np.kron(random.uniform(300, 2500, (16, 16)), np.ones((size // 16, size // 16)))
    return np.where(inside, blocks + random.normal(0, 60, (size, size)), 0).astype("i2")


def _dicom(number: int, path: Path) -> None:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

    pixels = _head(number, 512)
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = MRImageStorage
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    made.Modality, made.PatientID = "MR", str(number)
    made.Rows, made.Columns = pixels.shape
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 16, 15, 1
    if number % 4 < 2:
        made.WindowCenter, made.WindowWidth = "1500", "2400"
    made.PixelData = pixels.tobytes()
    made.save_as(path.with_suffix(".dcm"), enforce_file_format=True)


def _nifti(number: int, path: Path) -> None:
    import nibabel
    import numpy as np

    slices = np.stack([_head(1000 * number + one % 7, 256) for one in range(160)], axis=2)
    nibabel.save(nibabel.Nifti1Image(slices, np.eye(4)), path.with_suffix(".nii.gz"))


def _multiply(folder: Path, out: Path, copies: int) -> None:
    """Copies of every image, each a little brighter, cut and compressed differently."""
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(0)
    for source in sorted(folder.glob("*/*/*")):
        target = out / source.parent.parent.name / source.parent.name
        target.mkdir(parents=True, exist_ok=True)
        pixels = decode(source.read_bytes()).astype(np.float32)
        for number in range(copies):
            top, left = random.integers(0, 8, 2)
            changed = pixels[top : len(pixels) - 8 + top, left:] * random.uniform(0.8, 1.1)
            changed += random.normal(0, 3, changed.shape)
            stream = io.BytesIO()
            image = Image.fromarray(np.clip(changed, 0, 255).astype(np.uint8))
            image.save(stream, "JPEG", quality=int(random.integers(70, 90)))
            (target / f"{source.stem}-{number}.jpg").write_bytes(stream.getvalue())


if __name__ == "__main__":
    main()
