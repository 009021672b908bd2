"""The network's layers: how many VGG16 has, how wide they are, and what they are called.

Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2015;
names as in keras.applications.
"""

from dataclasses import dataclass
from typing import ClassVar

Widths = tuple[int, int, int, int, int]
KernelShape = tuple[int, int, int, int]


@dataclass(frozen=True)
class VGG16:
    """VGG16's convolutions.

    Attributes:
        widths: Filters of the five blocks.
    """

    widths: Widths = (64, 128, 256, 512, 512)

    DEPTHS: ClassVar = (2, 2, 3, 3, 3)
    """Convolutions of each block."""

    @property
    def blocks(self) -> dict[str, dict[str, KernelShape]]:
        """Each block's convolutions, from the image on, with the shapes of their kernels.

        They are height, width, channels in, filters.
        """
        blocks: dict[str, dict[str, KernelShape]] = {}
        channels = 3
        for number, (width, depth) in enumerate(
            zip(self.widths, self.DEPTHS, strict=True), start=1
        ):
            convolutions = blocks[f"block{number}"] = {}
            for one in range(1, depth + 1):
                convolutions[f"block{number}_conv{one}"] = (3, 3, channels, width)
                channels = width
        return blocks


SCALING_LAYER = "scaling"
"""Which makes of pixels what VGG16 takes."""

FEATURE_LAYER = "block4_pool"
"""Whose output, pooled over the image, tells what kind of picture it is."""

LOGITS_LAYER = "probabilities"
"""The dense layer whose softmax is the answer."""

EXPLAINED_LAYER = "block4_conv3"
"""Whose output heatmaps are made of; docs/confidence.md says why."""
