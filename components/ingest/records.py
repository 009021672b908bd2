"""What ingest knows of one image without its pixels: small enough to hold for every image."""

import json
import os
from dataclasses import asdict, dataclass, fields
from typing import Any

import tensorflow as tf

from components.ingest.kept import Place
from components.transform.preprocessing import CLASS, ENCODED, LABEL, SEEN
from imaging.picture import TechnicalTags
from imaging.quality import Quality


@dataclass(frozen=True)
class ImageRecord:
    """An accepted image.

    Attributes:
        path: Where its file is.
        name: The file's path below the data folder.
        frame: Which frame or slice of the file, 0 where it has one.
        label: Class name.
        folder_split: The split by the folder that it came in.
        span: The span that it came in.
        file_sha256: Digest of the file's bytes.
        sha256: Digest of the encoded image's bytes.
        picture: Digest of the decoded pixels.
        format: `JPEG` or `PNG`, of the encoded image.
        source_format: Of the file.
        height: Pixels.
        width: Pixels.
        channels: Colour channels in the file.
        quality: Scalar features.
        tags: What the file says of how it was made.
        links: What it may be linked to others by, see `components.ingest.patients`.
        blackened: Whether something outside the head was taken away.
        burnt_in: Whether the file says that text is burnt into the picture.
        kept: Where `components.ingest.kept` has the encoded image; None if it was not kept.
    """

    path: str
    name: str
    frame: int
    label: str
    folder_split: str
    span: int
    file_sha256: str
    sha256: str
    picture: str
    format: str
    source_format: str
    height: int
    width: int
    channels: int
    quality: Quality
    tags: TechnicalTags
    links: tuple[str, ...] = ()
    blackened: bool = False
    burnt_in: bool = False
    kept: Place | None = None

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(line: str) -> "ImageRecord":
        """Reads what `to_json` wrote."""
        values = json.loads(line)
        return ImageRecord(
            **{
                **values,
                "quality": Quality(**values["quality"]),
                "tags": TechnicalTags(**values["tags"]),
                "links": tuple(values["links"]),
                "kept": values["kept"] and Place(*values["kept"]),
            }
        )

    def to_example(
        self, encoded: bytes, *, class_index: int, source: str, group: str, seen: bool
    ) -> tf.train.Example:
        """Builds the tf.Example that every later component reads.

        Args:
            encoded: The image's bytes.
            class_index: Index of the label in the sorted class names.
            source: Name of the data folder.
            group: Images of one group show the same picture, or the same patient.
            seen: Whether this is a test image with a match in the original training folder.

        Returns:
            One image with its label, identity, scalar features and known technical tags.
        """
        features: dict[str, Any] = {
            ENCODED: encoded,
            LABEL: self.label.encode(),
            CLASS: class_index,
            "image/format": self.format.encode(),
            "image/source_format": self.source_format.encode(),
            "image/frame": self.frame,
            "image/height": self.height,
            "image/width": self.width,
            "image/channels": self.channels,
            "image/filename": os.fsencode(self.name),
            "image/source": os.fsencode(source),
            "image/sha256": self.sha256.encode(),
            "image/group": group.encode(),
            SEEN: int(seen),
        }
        for described in (self.quality, self.tags):
            for field in fields(described):
                if (value := getattr(described, field.name)) is not None:
                    features[f"image/{field.name}"] = (
                        value.encode() if isinstance(value, str) else value
                    )
        return tf.train.Example(
            features=tf.train.Features(feature={k: _feature(v) for k, v in features.items()})
        )


def _feature(value: bytes | int | float) -> tf.train.Feature:
    if isinstance(value, bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
    if isinstance(value, int):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
    return tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
