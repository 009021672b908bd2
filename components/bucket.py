"""Folders in a bucket of S3 or of a store that speaks its protocol: the one place that uses boto3.

Neither TFX nor TensorFlow reads `s3://` (TensorFlow has no file system for it since 2.7), so what
they work on is fetched first. boto3 is what Apache Beam uses; it finds the endpoint, the
credentials and the region where AWS's own programs do.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from components.errors import PipelineError, UsageError
from components.progress import told

SCHEME = "s3://"
URI = r"^s3://[a-z0-9][a-z0-9.-]{2,62}(/[^\x00-\x1f]*)?$"
"""What names a bucket, or a folder in one."""
_PARALLEL = 8
"""Objects that are sent or fetched at the same time: small ones take as long as the way there."""
_PIECE = 1 << 20
_TRIES = 5
"""How often a transfer is begun that breaks off in the middle, as boto3 does for its beginning."""
_LONGEST_NAME = 255
"""Bytes of a file's name that file systems take."""

_Item = TypeVar("_Item")

_WORDS = {
    "NoSuchBucket": "there is no such bucket",
    "NoSuchKey": "it is no longer there",
    "404": "it is not there",
    "AccessDenied": "access is denied: the credentials lack a right to it",
    "AllAccessDisabled": "access is denied",
    "403": "access is denied",
    "InvalidAccessKeyId": "the access key is not known there",
    "SignatureDoesNotMatch": "the secret key does not belong to the access key",
    "ExpiredToken": "the session token has expired",
    "InvalidToken": "the session token is not valid",
    "PermanentRedirect": "it is in another region: set AWS_REGION to its own",
    "AuthorizationHeaderMalformed": "it is in another region: set AWS_REGION to its own",
    "PreconditionFailed": "it was replaced meanwhile",
    "412": "it was replaced meanwhile",
    "QuotaExceeded": "the bucket is full",
    "XMinioStorageFull": "the store is full",
}
"""What the codes mean that a store refuses with."""


class BucketError(PipelineError):
    """A bucket that cannot be read or written, and why."""


class NoBucketError(BucketError, UsageError):
    """No bucket has this name."""


@dataclass(frozen=True)
class StoredObject:
    """An object, as a listing says.

    Attributes:
        name: Its key below the folder that was listed.
        size: Bytes.
        etag: What names its content; a digest of it only for some stores and ways of writing.
    """

    name: str
    size: int
    etag: str


@dataclass(frozen=True)
class BucketFolder:
    """A folder in a bucket: all objects whose keys begin alike.

    Attributes:
        bucket: The bucket.
        prefix: How the keys begin, without slashes at the ends; empty for the whole bucket.
    """

    bucket: str
    prefix: str = ""

    @staticmethod
    def of(uri: str) -> "BucketFolder":
        """Reads `s3://BUCKET/PREFIX`.

        Raises:
            UsageError: It is of another form.
        """
        if re.fullmatch(URI, uri) is None:
            raise UsageError(f"{uri} names no bucket: write s3://BUCKET/FOLDER.")
        bucket, _, prefix = uri.removeprefix(SCHEME).partition("/")
        return BucketFolder(bucket, prefix.strip("/"))

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.prefix}".rstrip("/")

    def __truediv__(self, name: str) -> "BucketFolder":
        return BucketFolder(self.bucket, self._key(name))

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.prefix.rpartition("/")[2] or self.bucket

    def objects(self) -> list[StoredObject]:
        """Lists what is in the folder and below, without the markers that some programs leave.

        Raises:
            BucketError: It cannot be listed.
        """
        begin = self._key("")
        pages = client().get_paginator("list_objects_v2")
        with _said(str(self)):
            return [
                StoredObject(one["Key"][len(begin) :], one["Size"], one["ETag"])
                for page in pages.paginate(Bucket=self.bucket, Prefix=begin)
                for one in page.get("Contents", ())
                if not one["Key"].endswith("/")
            ]

    def fetch(
        self, objects: Sequence[StoredObject], folder: Path, step: str = "fetching"
    ) -> dict[str, str]:
        """Fetches objects into an existing folder, each whole and as it was listed.

        Args:
            objects: What to fetch.
            folder: Where to; what is fetched has the same names below it.
            step: What is logged that this is good for.

        Returns:
            The sha256 of each by name, hexadecimal.

        Raises:
            BucketError: One cannot be fetched, has changed, or has a key that no file can have.
            OSError: A file cannot be written.
        """
        self._check_names({one.name for one in objects})

        def fetch(one: StoredObject) -> str:
            return self._fetch(one, folder / one.name)

        digests = _in_parallel(fetch, objects, step)
        return dict(zip((one.name for one in objects), digests, strict=True))

    def put(self, files: Iterable[tuple[str, Path]], step: str = "sending") -> None:
        """Writes files as objects; one that is sent in part never appears.

        Args:
            files: The objects' names below the folder, and what they are to hold.
            step: What is logged that this is good for.

        Raises:
            BucketError: One cannot be written.
            OSError: A file cannot be read.
        """
        _in_parallel(lambda one: self._put(*one), list(files), step)

    def read(self, stored: StoredObject) -> bytes:
        """Reads a small object.

        Raises:
            BucketError: It cannot be read.
        """
        with _said(f"{self}/{stored.name}"):
            answer = client().get_object(
                Bucket=self.bucket, Key=self._key(stored.name), IfMatch=stored.etag
            )
            return bytes(answer["Body"].read())

    def remove(self, name: str) -> None:
        """Removes an object, if it is there.

        Raises:
            BucketError: It cannot be removed.
        """
        with _said(f"{self}/{name}"):
            client().delete_object(Bucket=self.bucket, Key=self._key(name))

    def _key(self, name: str) -> str:
        return f"{self.prefix}/{name}" if self.prefix else name

    def _check_names(self, names: set[str]) -> None:
        for name in names:
            parts = name.split("/")
            for number, part in enumerate(parts):
                if part in ("", ".", "..") or "\0" in part or len(part.encode()) > _LONGEST_NAME:
                    raise BucketError(
                        f"{self}/{name} has a name that no file can have: give the object another."
                    )
                if number and "/".join(parts[:number]) in names:
                    raise BucketError(
                        f"{self}/{name} is below a name that is an object too, so it cannot "
                        "become a file: rename one of them."
                    )

    def _fetch(self, stored: StoredObject, path: Path) -> str:
        exceptions = _exceptions()
        broken = (exceptions.HTTPClientError, exceptions.IncompleteReadError)
        path.parent.mkdir(parents=True, exist_ok=True)
        with _said(f"{self}/{stored.name}"):
            for left in reversed(range(_TRIES)):
                try:
                    return self._receive(stored, path)
                except broken:
                    if not left:
                        raise
        raise AssertionError

    def _receive(self, stored: StoredObject, path: Path) -> str:
        answer = client().get_object(
            Bucket=self.bucket, Key=self._key(stored.name), IfMatch=stored.etag
        )
        digest, size = hashlib.sha256(), 0
        with path.open("wb") as file:
            for piece in answer["Body"].iter_chunks(_PIECE):
                file.write(piece)
                digest.update(piece)
                size += len(piece)
        if size != stored.size:
            raise BucketError(
                f"{self}/{stored.name} has {size:,} bytes, where {stored.size:,} are listed."
            )
        return digest.hexdigest()

    def _put(self, name: str, path: Path) -> None:
        digest = hashlib.md5(usedforsecurity=False)  # S3's own: the store refuses what differs
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
            file.seek(0)
            with _said(f"{self}/{name}"):
                client().put_object(
                    Bucket=self.bucket,
                    Key=self._key(name),
                    Body=file,
                    ContentMD5=base64.b64encode(digest.digest()).decode(),
                )


def is_uri(text: object) -> bool:
    """Whether something names a folder in a bucket rather than one of this machine."""
    return str(text).startswith(SCHEME)


@cache
def client() -> Any:
    """The one client of this process, which threads may share.

    Raises:
        BucketError: boto3 is missing.
        UsageError: Its settings cannot be used.
    """
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError as error:
        raise BucketError(
            "s3:// needs the package boto3: pip install '.[s3]' in a checkout of this project."
        ) from error
    # Checksums of newer kinds are refused by stores that do not know them.
    config = Config(
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        max_pool_connections=2 * _PARALLEL,
        connect_timeout=10,
    )
    try:
        return boto3.session.Session().client("s3", config=config)
    except (BotoCoreError, ValueError) as error:
        # A wrong endpoint is shown in a ValueError, and may hold a password.
        shown = f" ({error})" if isinstance(error, BotoCoreError) else ""
        raise UsageError(
            f"The settings for S3 cannot be used{shown}: check AWS_ENDPOINT_URL, AWS_PROFILE and "
            "AWS_REGION."
        ) from None


def _in_parallel(do: Callable[[_Item], Any], items: Sequence[_Item], step: str) -> list[Any]:
    """What a function makes of each item; after a failure none is begun any more."""
    with ThreadPoolExecutor(_PARALLEL) as pool:
        futures = [pool.submit(do, item) for item in items]
        try:
            return list(told((future.result() for future in futures), len(futures), step))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


@contextmanager
def _said(where: str) -> Iterator[None]:
    """Says in a sentence why a store did not do what it was asked."""
    exceptions = _exceptions()
    try:
        yield
    except exceptions.ClientError as error:
        is_absent = error.response.get("Error", {}).get("Code") == "NoSuchBucket"
        kind = NoBucketError if is_absent else BucketError
        raise kind(f"{where}: {_refusal(error)} (at {_endpoint()}).") from error
    except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError) as error:
        raise BucketError(
            f"{where}: there are no credentials for it. Set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give this machine a role."
        ) from error
    except exceptions.SSLError as error:
        raise BucketError(
            f"{where}: the certificate of {_endpoint()} is not trusted. If it is the store's own, "
            "set AWS_CA_BUNDLE to the file of its authority."
        ) from error
    except (exceptions.HTTPClientError, exceptions.ConnectionError) as error:
        raise BucketError(
            f"{where}: {_endpoint()} does not answer ({type(error).__name__}). Check "
            "AWS_ENDPOINT_URL, and that the store is running."
        ) from error
    except exceptions.BotoCoreError as error:
        raise BucketError(f"{where}: {type(error).__name__} (at {_endpoint()}).") from error


def _exceptions() -> Any:
    client()  # it says what to do where the package is missing
    from botocore import exceptions

    return exceptions


def _refusal(error: Any) -> str:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if words := _WORDS.get(code):
        return words
    if status >= 500:
        return f"the store failed each time it was asked: {status} {code}"
    return f"{_WORDS.get(str(status), 'it is refused')} ({status} {code})"


def _endpoint() -> str:
    """Where the store is, without what a URL may say besides."""
    parts = urlsplit(client().meta.endpoint_url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}"
