"""A client of TensorFlow Serving's protocol: images in, typed results out.

Example:
    from serving.client import Client

    with Client("localhost:8500") as client:
        print(client.predict("scan.jpg").label)

`serving.client.aio` has the same client for coroutines.

Neither half imports TensorFlow.
"""

from serving.client.client import Client
from serving.client.errors import Failure, ImageError, NoVersionError, ServingError
from serving.client.images import (
    EncodedImage,
    Image,
    encode_image,
    encoded_image,
    open_frames,
    prepare_image,
    read_frames,
)
from serving.client.results import Explanation, Prediction, VersionStatus, possible_classes
from serving.client.volumes import VolumeAnswer, in_words, inside, pool

__all__ = [
    "Client",
    "EncodedImage",
    "Explanation",
    "Failure",
    "Image",
    "ImageError",
    "NoVersionError",
    "Prediction",
    "ServingError",
    "VersionStatus",
    "VolumeAnswer",
    "encode_image",
    "encoded_image",
    "in_words",
    "inside",
    "open_frames",
    "pool",
    "possible_classes",
    "prepare_image",
    "read_frames",
]
