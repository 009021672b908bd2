"""A client of TensorFlow Serving's protocol: images in, typed results out.

Example:
    from serving.client import Client

    with Client("localhost:8500") as client:
        print(client.predict("scan.jpg").label)

The REST half imports no TensorFlow; the gRPC half imports the protocol's stubs, and with them
TensorFlow, when it is used for the first time.
"""

from serving.client.client import Client
from serving.client.errors import ImageError, ServingError
from serving.client.images import Image, encode_image
from serving.client.results import Explanation, Prediction, VersionStatus

__all__ = [
    "Client",
    "Explanation",
    "Image",
    "ImageError",
    "Prediction",
    "ServingError",
    "VersionStatus",
    "encode_image",
]
