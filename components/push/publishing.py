"""A bucket that holds the versions that the serving folder holds.

The folder stays what decides: decisions and pushes are whole there, and only there can be finished
after a kill. The bucket follows, and whatever kept it from that, the next time makes up for it.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from components.bucket import BucketError, BucketFolder
from components.bucket_versions import (
    BucketVersion,
    describe_files,
    is_same,
    list_versions,
    remove_version,
    send_version,
)
from components.errors import UsageError
from components.push.versions import is_version, pushed_versions
from components.whole_file import whole_file


@dataclass(frozen=True)
class Publication:
    """Where the versions of a model go besides.

    Attributes:
        bucket: The folder of the versions in a bucket.
        versions: By the number of each that this work folder has sent there, the ETags of its
            objects; none until it was sent whole.
    """

    bucket: BucketFolder
    versions: Mapping[int, Mapping[str, str]] = field(default_factory=dict)


def read_publication(base: Path) -> Publication | None:
    """Reads where the versions of a model go besides.

    Args:
        base: The folder that holds them.

    Returns:
        That, or None where they go nowhere.

    Raises:
        BucketError: What was written down is damaged.
    """
    file = _file(base)
    try:
        content = json.loads(file.read_bytes())
        sent = {int(number): dict(etags) for number, etags in content["versions"].items()}
        return Publication(BucketFolder.of(content["bucket"]), sent)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise BucketError(
            f"{file} cannot be read: remove it, and name the bucket again: `mri models publish "
            "s3://BUCKET/FOLDER`."
        ) from None


def set_bucket(base: Path, folder: str) -> None:
    """Decides where versions go besides; what was sent to another place stays there.

    Args:
        base: The folder that holds the versions.
        folder: `s3://BUCKET/FOLDER`, for models of all names.

    Raises:
        BucketError: It names no bucket, or cannot be written down.
    """
    bucket = BucketFolder.of(folder) / base.name
    known = read_publication(base)
    if known is None or known.bucket != bucket:
        _write(base, Publication(bucket))


def behind(base: Path) -> list[int]:
    """The versions that a bucket lacks, or does not hold as they were sent.

    Args:
        base: The folder that holds the versions.

    Returns:
        Their numbers, the lowest first; none where they go to no bucket.

    Raises:
        BucketError: The bucket cannot be looked at.
    """
    publication = read_publication(base)
    if publication is None:
        return []
    there = _there(publication)
    return [
        number
        for number in pushed_versions(base)
        if number not in there or publication.versions.get(number) != there[number].etags
    ]


def publish(base: Path, say: Callable[[str], None]) -> None:
    """Makes a bucket hold what the folder of the versions holds, the newest first.

    Of what is there, only versions that were sent from here are removed.

    Args:
        base: The folder that holds the versions.
        say: Is told, in a line, what was sent or removed.

    Raises:
        BucketError: The bucket cannot be read or written, or holds somebody else's versions.
        OSError: A file of a version cannot be read.
    """
    publication = read_publication(base)
    if publication is None:
        return
    bucket, mine = publication.bucket, dict(publication.versions)
    there, here = _there(publication), pushed_versions(base)
    others = [number for number, one in there.items() if one.whole and number not in mine]
    if here and max(others, default=0) > here[-1]:
        raise UsageError(
            f"{bucket} holds version {max(others)}, which is not from this work folder and which "
            f"servers would prefer to {here[-1]}: choose another folder, or remove that version."
        )
    for number in reversed(here):
        version, known, sent = base / str(number), there.get(number), mine.get(number)
        if known is not None and sent == known.etags:
            continue
        files = describe_files(version)
        if known is not None and sent is None and known.published() != files:
            raise UsageError(
                f"{bucket} holds another version {number}, which is not from this work folder: "
                "choose another folder, or remove that version."
            )
        # Before it is sent: what a kill leaves half sent is known to be this folder's.
        mine[number] = {}
        _write(base, Publication(bucket, mine))
        if known is None or sent or not is_same(version, known):
            send_version(version, files, bucket / str(number), known, sent)
            say(f"published {bucket}/{number}")
        left = BucketVersion(bucket / str(number), ()).listed_again()
        mine[number] = left.etags if is_same(version, left) else {}
        _write(base, Publication(bucket, mine))
    for number in sorted(set(mine) - set(here)):
        if number in there:
            remove_version(there[number])
            say(f"removed {bucket}/{number}")
        del mine[number]
        _write(base, Publication(bucket, mine))


def _there(publication: Publication) -> dict[int, BucketVersion]:
    found = list_versions(publication.bucket)
    return {int(name): version for name, version in found.items() if is_version(name)}


def _write(base: Path, publication: Publication) -> None:
    versions = dict(sorted(publication.versions.items()))
    content = {"bucket": str(publication.bucket), "versions": versions}
    try:
        base.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(_file(base)) as file:
            file.write_text(json.dumps(content) + "\n", encoding="utf-8")
    except OSError as error:
        raise BucketError(f"{_file(base)} cannot be written: {error.strerror}.") from error


def _file(base: Path) -> Path:
    """Beside the folder, as servers look into it."""
    return base.with_name(f"{base.name}.published.json")
