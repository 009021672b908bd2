"""Other display, other scanner, other framing: what changes in a picture, while its finding stays.

Each function takes a `Subject` and how strong the change is, and returns grey levels [height,
width]; the caller rounds them and cuts them off at 0 and 255.
"""

import io

import numpy as np
from PIL import Image
from scipy import ndimage

from components.robustness.subject import Grey, Subject, resized

_DETAIL = 0.006
"""Standard deviation of the blur that sharpening works against, as a share of the longer side."""


def cut_levels(subject: Subject, dark: float, bright: float) -> Grey:
    """A hard display window.

    Args:
        subject: The image.
        dark: Share of the head's levels that become black.
        bright: Share of them that become white.
    """
    low = float(np.quantile(subject.levels, dark)) if dark else 0.0
    high = float(np.quantile(subject.levels, 1 - bright)) if bright else 255.0
    levels: Grey = (subject.grey - np.float32(low)) * np.float32(255 / max(high - low, 1.0))
    return levels


def gamma(subject: Subject, power: float) -> Grey:
    """Levels, 0 to 1, to a power: above 1 darkens the middle, below 1 brightens it."""
    levels: Grey = 255 * np.power(subject.grey / 255, np.float32(power))
    return levels


def inverted(subject: Subject, contrast: float) -> Grey:
    """Dark becomes bright within the head, with some of its contrast; all around is black."""
    top = float(subject.levels.max())
    return np.where(subject.head, top / 2 + contrast * (top / 2 - subject.grey), 0)


def inverted_with_ground(subject: Subject) -> Grey:
    """The whole picture as a negative."""
    return 255 - subject.grey


def low_contrast(subject: Subject, kept: float) -> Grey:
    """Levels of the head drawn towards their mean."""
    middle = float(subject.levels.mean())
    return np.where(subject.head, middle + kept * (subject.grey - middle), subject.grey)


def border(subject: Subject, share: float, level: float) -> Grey:
    """More room on each side.

    Args:
        subject: The image.
        share: How much wider the picture becomes, as a share of its longer side.
        level: Of the border.
    """
    width = max(1, round(share / 2 * subject.longest))
    return np.pad(subject.grey, width, constant_values=level)


def cropped(subject: Subject, share: float) -> Grey:
    """The head's box, and of it a share less on each side."""
    inside = subject.grey[subject.box]
    down, right = (int(share * side) for side in inside.shape)
    return inside[down : inside.shape[0] - down, right : inside.shape[1] - right]


def stretched(subject: Subject, factor: float) -> Grey:
    """Wider, at the same height."""
    height, width = subject.pixels.shape
    return resized(subject.grey, (height, max(1, round(width * factor))))


def mirrored(subject: Subject) -> Grey:
    """Left and right exchanged."""
    return subject.grey[:, ::-1]


def quarter_turns(subject: Subject, degrees: float) -> Grey:
    """Turned by quarters of a circle, the frame with it."""
    return np.rot90(subject.grey, round(degrees / 90))


def turned(subject: Subject, degrees: float) -> Grey:
    """Turned about the middle; the frame stays."""
    found: Grey = ndimage.rotate(subject.grey, degrees, reshape=False, order=1)
    return found


def blurred(subject: Subject, share: float) -> Grey:
    """Gaussian blur, its standard deviation a share of the longer side."""
    found: Grey = ndimage.gaussian_filter(subject.grey, share * subject.longest)
    return found


def sharpened(subject: Subject, amount: float) -> Grey:
    """What a slight blur takes away, added so many times."""
    return subject.grey + amount * (subject.grey - blurred(subject, _DETAIL))


def few_pixels(subject: Subject, side: float) -> Grey:
    """So many pixels on the longer side, and back."""
    shrink = side / subject.longest
    height, width = (max(1, round(shrink * one)) for one in subject.pixels.shape)
    return resized(resized(subject.grey, (height, width)), subject.pixels.shape)


def jpeg(subject: Subject, quality: float) -> Grey:
    """A JPEG file of some quality, 1 to 95."""
    stream = io.BytesIO()
    Image.fromarray(subject.pixels).save(stream, "JPEG", quality=round(quality))
    return np.asarray(Image.open(stream), np.float32)


def noise(subject: Subject, deviation: float) -> Grey:
    """Gaussian noise, its standard deviation in levels."""
    random = subject.random("noise")
    return subject.grey + random.normal(0, deviation, subject.grey.shape).astype(np.float32)


def bias_field(subject: Subject, strength: float) -> Grey:
    """A smooth field of brightness, between exp(-strength) and exp(strength)."""
    corners = subject.random("bias").uniform(-1, 1, (3, 3)).astype(np.float32)
    field: Grey = np.exp(strength * resized(corners, subject.grey.shape, Image.Resampling.BICUBIC))
    return subject.grey * field


def one_sided(subject: Subject, loss: float) -> Grey:
    """Brightness that is lost towards one side, as beside a surface coil."""
    ramp = np.linspace(1, 1 - loss, subject.grey.shape[1], dtype=np.float32)
    return subject.grey * (ramp if subject.random("side").random() < 0.5 else ramp[::-1])


def ghost(subject: Subject, share: float) -> Grey:
    """The picture once more, moved by a third of its height, as movement leaves it."""
    moved = np.roll(subject.grey, subject.grey.shape[0] // 3, axis=0)
    return (1 - share) * subject.grey + share * moved
