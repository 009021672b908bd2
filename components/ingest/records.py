"""What ingest knows of one image without its pixels: small enough to hold for every image."""

import json
import os
from dataclasses import asdict, dataclass
from typing import Any

import tensorflow as tf

from components.ingest.quality import Quality
from components.transform.preprocessing import CLASS, ENCODED, LABEL


@dataclass(frozen=True)
class ImageRecord:
    """An accepted image.

    Attributes:
        path: Where the file is.
        name: Its path below the data folder.
        label: Class name.
        folder_split: The split by the folder that it came in.
        sha256: Digest of the file's bytes.
        group: Digest of the decoded pixels: images of one group are the same picture.
        format: `JPEG` or `PNG`.
        height: Pixels.
        width: Pixels.
        channels: Colour channels in the file.
        quality: Scalar features.
    """

    path: str
    name: str
    label: str
    folder_split: str
    sha256: str
    group: str
    format: str
    height: int
    width: int
    channels: int
    quality: Quality

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(line: str) -> "ImageRecord":
        """Reads what `to_json` wrote."""
        fields = json.loads(line)
        return ImageRecord(**{**fields, "quality": Quality(**fields["quality"])})

    def to_example(self, encoded: bytes, class_index: int, source: str) -> tf.train.Example:
        """Builds the tf.Example that every later component reads.

        Args:
            encoded: The file's bytes.
            class_index: Index of the label in the sorted class names.
            source: Name of the data folder.

        Returns:
            One image with its label, identity and scalar features.
        """
        features: dict[str, Any] = {
            ENCODED: encoded,
            LABEL: self.label.encode(),
            CLASS: class_index,
            "image/format": self.format.encode(),
            "image/height": self.height,
            "image/width": self.width,
            "image/channels": self.channels,
            "image/filename": os.fsencode(self.name),
            "image/source": os.fsencode(source),
            "image/sha256": self.sha256.encode(),
            "image/group": self.group.encode(),
            **{f"image/{name}": value for name, value in asdict(self.quality).items()},
        }
        return tf.train.Example(
            features=tf.train.Features(feature={k: _feature(v) for k, v in features.items()})
        )


def _feature(value: bytes | int | float) -> tf.train.Feature:
    if isinstance(value, bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
    if isinstance(value, int):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
    return tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
