"""The client that blocks: images in, results out, with a deadline and retries."""

from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from tenacity import Retrying

from serving.client.address import Address
from serving.client.asking import EXPLAIN, PREDICT, SignatureCall, finish, in_flight
from serving.client.base import BaseClient
from serving.client.errors import Failure
from serving.client.images import Image
from serving.client.results import Explanation, Prediction, VersionStatus
from serving.client.transport import Access, Transport, Waiting

_Kind = TypeVar("_Kind", bound=Prediction)
_Result = TypeVar("_Result")


class Client(BaseClient):
    """Asks a model server, TensorFlow Serving or the one that comes with this project.

    It may be used from several threads at once, and where an event loop runs.
    """

    def predict(self, image: Image) -> Prediction:
        """Classifies one image.

        Args:
            image: A file (JPEG, PNG, GIF, BMP, TIFF, WebP, JPEG 2000, DICOM or NIfTI): its path,
                its bytes, or an object that reads it; a Pillow image; pixels, uint8 [rows, columns]
                or [rows, columns, 3]; or what `read_frames` gives.

        Returns:
            The result.

        Raises:
            ImageError: The image cannot be read.
            ServingError: The server gave no result.
        """
        return finish(self._asker.one(image, PREDICT))

    def predict_batch(self, images: Iterable[Image]) -> list[Prediction | Failure]:
        """Classifies images; see `predict`.

        They are read, sent and forgotten `batch_size` at a time.

        Args:
            images: The images.

        Returns:
            In their order a result, or the error that `predict` would raise, for each.

        Raises:
            PipelineError: It is one image, or the client is closed.
        """
        return list(self.stream(images))

    def stream(self, images: Iterable[Image]) -> Iterator[Prediction | Failure]:
        """The same as `predict_batch`, yielding results as they come."""
        return self._results(self._asker.jobs(images), PREDICT)

    def explain(self, image: Image) -> Explanation:
        """Classifies one image and shows where the model looked; see `predict`."""
        return finish(self._asker.one(image, EXPLAIN))

    def explain_batch(self, images: Iterable[Image]) -> list[Explanation | Failure]:
        """Explains images; see `predict_batch`."""
        return list(self._results(self._asker.jobs(images), EXPLAIN))

    def status(self) -> list[VersionStatus]:
        """The states of the model's versions, the newest first.

        Raises:
            ServingError: The server gave none.
        """
        return finish(self._asker.status())

    def close(self) -> None:
        """Ends the connection; a second time, does nothing."""
        finish(self._asker.transport.close())

    def __enter__(self) -> "Client":
        """Gives itself, to be closed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the connection."""
        self.close()

    def _results(
        self, jobs: Iterator[list[Image]], question: SignatureCall[_Kind]
    ) -> Iterator[_Kind | Failure]:
        most = self._asker.limits.in_flight
        threads = ThreadPoolExecutor(most, "serving.client")
        try:
            for job in in_flight(
                jobs,
                lambda job: threads.submit(finish, self._asker.several(job, question)),
                most,
            ):
                yield from job.result()
        finally:
            # What is on its way ends by itself, within its timeout.
            threads.shutdown(wait=False, cancel_futures=True)

    @staticmethod
    def _waiting() -> Waiting:
        return _Blocking()

    @staticmethod
    def _connect(address: Address, access: Access, waiting: Waiting) -> Transport:
        if address.protocol == "rest":
            from serving.client.rest import RestTransport

            return RestTransport(address, access, waiting)
        from serving.client.grpc import GrpcTransport

        return GrpcTransport(address, access, waiting)


class _Blocking:
    """Waits by blocking the thread; its coroutines never give way."""

    async def retry(
        self, policy: Mapping[str, Any], send: Callable[[], Coroutine[Any, Any, _Result]]
    ) -> _Result:
        return Retrying(**policy)(lambda: finish(send()))

    async def aside(self, work: Callable[..., _Result], *arguments: Any) -> _Result:
        return work(*arguments)
