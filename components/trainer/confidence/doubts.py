"""Tells pictures that do not show what the training images show: cut, blurred, badly framed.

Such a picture is answered surely and wrongly where its levels tell the class in the training data.
Each measure has a limit that hardly any training image lies beyond.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from components.reasons import BLURRED, CUT_BLACK, CUT_WHITE, NO_HEAD, SEPARATOR, SMALL
from components.trainer.config import ConfidenceConfig

if TYPE_CHECKING:
    import tensorflow as tf

_SLACK = 0.1
"""How far beyond the outermost images a limit lies, as a share of their distance to the median."""
_LEAST_SLACK = 0.1
"""The same at least, in logits of a share and in the logarithm of sharpness."""
_TINY = 1e-3
"""What a share differs from 0 and 1 at least, and sharpness from 0, so that logarithms exist."""
_OUTWARD: dict[bool, Literal["higher", "lower"]] = {True: "higher", False: "lower"}
"""Which of two images a quantile between them is, at the upper end or not."""

_Values = NDArray[np.float64]


@dataclass(frozen=True)
class _Scale:
    """What is fitted on instead of values, so that neither end of them is ever reached.

    Attributes:
        to: From values.
        back: To values.
    """

    to: Callable[[Any], Any]
    back: Callable[[Any], Any]


_SHARES = _Scale(lambda value: logit(np.clip(value, _TINY, 1 - _TINY)), expit)
_RATIOS = _Scale(lambda value: np.log(np.maximum(value, _TINY)), np.exp)


@dataclass(frozen=True)
class Limits:
    """Which values of the measures are unlike the training images'; see `transform.measures`.

    Attributes:
        cut_black_above: Share of the head that is black.
        cut_white_above: Share of the head that is white.
        sharpness_below: Less is blurred.
        head_share_below: Share of the picture that is head; less is small.
        head_share_above: More is a picture in which no head stands out.
    """

    cut_black_above: float
    cut_white_above: float
    sharpness_below: float
    head_share_below: float
    head_share_above: float

    def describe(self) -> dict[str, float]:
        """The limits by name."""
        return asdict(self)

    def __call__(self, measures: "tf.Tensor") -> "dict[str, tf.Tensor]":
        """Says what is wrong with pictures.

        Args:
            measures: float32 [batch, 4], `components.transform.measures.MEASURES`.

        Returns:
            Which pictures each sentence holds of, bool [batch]. Of a picture in which no head
            stands out nothing else is said.
        """
        import tensorflow as tf

        black, white, sharpness, head = tf.unstack(measures, axis=1)
        headless = head > self.head_share_above
        found = {
            CUT_BLACK: black > self.cut_black_above,
            CUT_WHITE: white > self.cut_white_above,
            BLURRED: sharpness < self.sharpness_below,
            SMALL: head < self.head_share_below,
        }
        return {NO_HEAD: headless, **{words: flags & ~headless for words, flags in found.items()}}


def fit_limits(measures: NDArray[np.float32], config: ConfidenceConfig) -> Limits:
    """Fits limits that hardly any image lies beyond.

    A limit lies outside of all but `config.flagged_share` of the images, by a tenth more than
    these lie from the median. The fewer images there are, the farther out it lies: a handful, which
    says nothing of so small a share, sets hardly any.

    Args:
        measures: float32 [images, 4], `components.transform.measures.MEASURES` of the images of
            `train` and `eval`.
        config: Which share may lie beyond each limit.

    Returns:
        The limits.
    """
    black, white, sharpness, head = measures.astype(np.float64).T
    share = config.flagged_share
    return Limits(
        cut_black_above=_limit(black, share, _SHARES, above=True),
        cut_white_above=_limit(white, share, _SHARES, above=True),
        sharpness_below=_limit(sharpness, share, _RATIOS, above=False),
        head_share_below=_limit(head, share, _SHARES, above=False),
        head_share_above=_limit(head, share, _SHARES, above=True),
    )


def _limit(values: _Values, share: float, scale: _Scale, *, above: bool) -> float:
    """The limit of one measure, at its upper or its lower end."""
    outermost = np.quantile(values, 1 - share if above else share, method=_OUTWARD[above])
    place, middle = scale.to(outermost), scale.to(np.median(values))
    images = share * len(values)
    fewness = 1 + 1 / images if images else math.inf
    slack = max(_SLACK * abs(place - middle), _LEAST_SLACK) * fewness
    limit = float(scale.back(place + slack if above else place - slack))
    return max(limit, float(outermost)) if above else min(limit, float(outermost))


def write_reasons(found: "dict[str, tf.Tensor]") -> "tf.Tensor":
    """Puts the sentences that hold of an image one behind the other.

    Args:
        found: Which images each sentence holds of, bool [batch].

    Returns:
        string [batch], empty where none does.
    """
    import tensorflow as tf

    said = [tf.where(flags, SEPARATOR + words, "") for words, flags in found.items()]
    return tf.strings.regex_replace(tf.strings.join(said), f"^{SEPARATOR}", "")
