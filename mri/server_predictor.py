"""Classifies images with a model server, for `mri predict --server`."""

from collections.abc import Iterator, Sequence

from components.errors import PipelineError
from mri.classified import Classified
from serving.client import Client, EncodedImage, NoVersionError, Prediction, ServingError


def ask_server(
    client: Client, address: str, images: Sequence[tuple[str, EncodedImage]]
) -> Iterator[Classified]:
    """Classifies images; that the server refuses one becomes its answer's error.

    Args:
        client: A client of the server.
        address: The server's, as a person gave it.
        images: Where they are from, and the images.

    Yields:
        The answers, in order, as they come.

    Raises:
        PipelineError: No server answers, or it gives no result for a reason that is not the image.
    """
    answers = client.stream(image for _, image in images)
    for (path, image), answer in zip(images, answers, strict=True):
        if isinstance(answer, Prediction):
            yield Classified.of_answer(path, answer, frame=image.frame, frames=image.frames)
        else:
            yield Classified(path, image.frame, image.frames, error=_refusal(answer, address))


def _refusal(error: PipelineError, address: str) -> str:
    if not isinstance(error, ServingError):
        raise error
    if error.unavailable:
        raise PipelineError(
            f"No model server answers at {address} ({error.detail}): check the address, or "
            "start one with `mri serve`."
        ) from error
    if error.code != "INVALID_ARGUMENT" or isinstance(error, NoVersionError):
        raise error
    return f"is refused by the server: {error.detail}"
