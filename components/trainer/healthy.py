"""What is made of healthy training images, beside themselves: lesions, decoys, copies."""

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from components.trainer.appearance.head import head_mask
from components.trainer.config import PaintConfig, TrainConfig
from components.trainer.inputs import TransformedImage, decode_pixels
from components.trainer.versions import Painting

_LOG = logging.getLogger(__name__)

Images = Callable[[], Iterable[TransformedImage]]
"""The images of a split, as a stream that can be had again."""


def healthy_class(config: TrainConfig, classes: Sequence[str]) -> int | None:
    """Finds the class without a tumour.

    Args:
        config: Its name.
        classes: Names in the order of the class index.

    Returns:
        Its index; None if there is none, or no other one.
    """
    others = [name for name in classes if name != config.healthy_class]
    return None if len(others) in (0, len(classes)) else classes.index(str(config.healthy_class))


def made_of_healthy(images: Images, config: TrainConfig, classes: Sequence[str]) -> Images | None:
    """Prepares what is to be trained on beside the images themselves.

    Args:
        images: Of the train split.
        config: What is made, and of which class.
        classes: Names in the order of the class index.

    Returns:
        The further images; None if there are none, for a reason that the log tells.
    """
    paint = config.paint
    if not (paint.lesions or paint.decoys or paint.copies):
        return None
    healthy = healthy_class(config, classes)
    if healthy is None:
        _LOG.warning(
            "there is no class %s beside others, so train.paint makes nothing: set "
            "train.healthy_class",
            config.healthy_class,
        )
        return None
    headless = set()
    if paint.lesions or paint.decoys:
        headless = _headless(images(), healthy)
    made = Counter(image.painting for image in _made(images(), healthy, paint, headless))
    if headless:
        _LOG.warning(
            "%d images of %s show no head, and nothing is painted on them",
            len(headless),
            config.healthy_class,
        )
    _LOG.info(
        "beside the images, %d healthy ones with a lesion painted on, %d decoys, %d copies",
        made["lesion"],
        made["decoy"],
        made[None],
    )
    return (lambda: _made(images(), healthy, paint, headless)) if made else None


def _headless(images: Iterable[TransformedImage], healthy: int) -> set[bytes]:
    return {
        image.digest
        for image in images
        if image.label == healthy and head_mask(decode_pixels([image])[0].numpy()) is None
    }


def _made(
    images: Iterable[TransformedImage], healthy: int, paint: PaintConfig, headless: set[bytes]
) -> Iterator[TransformedImage]:
    kinds: tuple[tuple[Painting | None, float], ...] = (
        ("lesion", paint.lesions),
        ("decoy", paint.decoys),
        (None, paint.copies),
    )
    for image in images:
        if image.label != healthy:
            continue
        for painting, per_image in kinds:
            if painting and image.digest in headless:
                continue
            label = ~healthy if painting == "lesion" else healthy
            for digest in _digests(image.digest, painting or "copy", per_image):
                yield replace(image, label=label, digest=digest, painting=painting)


def _digests(digest: bytes, kind: str, per_image: float) -> Iterator[bytes]:
    """As many digests as are made of one image; a fraction is one more of a part of the images."""
    count = int(per_image)
    whole = [
        hashlib.sha256(digest + f"{kind} {number}".encode()).digest() for number in range(count + 1)
    ]
    drawn = int.from_bytes(whole[-1][:4], "little") / 2**32
    yield from whole if drawn < per_image - count else whole[:-1]
