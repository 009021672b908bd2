"""Classifies images with a model server, for `mri predict --server`."""

from pathlib import Path

from components.errors import PipelineError
from mri.classified import Classified
from serving.client import Client, ImageError, ServingError


def ask_server(client: Client, address: str, image: Path) -> Classified:
    """Classifies one image file; a problem with the file becomes the answer's error.

    Args:
        client: A client of the server.
        address: The server's, as a person gave it.
        image: Any file that the client reads.

    Returns:
        The answer.

    Raises:
        PipelineError: No server answers, or it gives no result for a reason that is not the image.
    """
    try:
        result = client.predict(image)
    except ImageError as error:
        return Classified(str(image), error=str(error))
    except ServingError as error:
        if error.unavailable:
            raise PipelineError(
                f"No model server answers at {address} ({error.detail}): check the address, or "
                "start one with `mri serve`."
            ) from error
        if error.code != "INVALID_ARGUMENT":
            raise
        return Classified(str(image), error=f"is refused by the server: {error.detail}")
    return Classified(
        str(image),
        label=result.label,
        confidence=result.confidence,
        probabilities=result.probabilities,
        in_distribution=result.in_distribution,
        refer=result.refer,
        reasons=result.reasons,
    )
