"""Classifies images with a model server, for `mri predict --server`."""

from pathlib import Path

from components.errors import PipelineError
from pipeline.predict import FilePrediction
from serving.client import Client, ImageError, ServingError


class ServerPredictor:
    """A model behind a server; used as `Predictor` is."""

    def __init__(self, address: str, model: str, token: str | None, ca: Path | None) -> None:
        """Prepares the connection.

        Args:
            address: The server's, as the client takes it.
            model: The model's name.
            token: A bearer token, or None.
            ca: PEM file of the authorities that vouch for the server, or None.

        Raises:
            PipelineError: The address is of another form.
        """
        self._client = Client(address, model=model, token=token, ca=ca)
        self._address = address

    def __call__(self, image: Path) -> FilePrediction:
        """Classifies one image file; what is wrong with it is said in the prediction.

        Args:
            image: Any file that the client reads.

        Returns:
            The prediction.

        Raises:
            PipelineError: No server answers, or it gives no result for a reason that is not the
                image.
        """
        try:
            result = self._client.predict(image)
        except ImageError as error:
            return FilePrediction(image, error=str(error))
        except ServingError as error:
            if error.unavailable:
                raise PipelineError(
                    f"No model server answers at {self._address} ({error.detail}): check the "
                    "address, or start one with `mri serve`."
                ) from error
            if error.code != "INVALID_ARGUMENT":
                raise
            return FilePrediction(image, error=f"is refused by the server: {error.detail}")
        return FilePrediction(
            image=image,
            label=result.label,
            confidence=result.confidence,
            probabilities=result.probabilities,
            in_distribution=result.in_distribution,
            refer=result.refer,
        )

    def __enter__(self) -> "ServerPredictor":
        """Gives itself, to be closed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the connection."""
        self._client.close()
