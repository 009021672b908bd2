"""The images whose styles others take."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from components.trainer.appearance.head import grey_levels, head_mask
from components.trainer.appearance.styles import Levels, head_levels
from components.trainer.identity import identity
from imaging.head import Grey, Pixels

_HEALTHY = 0.75
"""How often an image of a tumour takes a healthy style, rather than that of another tumour."""


@dataclass(frozen=True, eq=False)
class Style:
    """What is taken from an image.

    Attributes:
        picture: uint8 [height, width]: many are held at a time.
        levels: Of its head, as `head_levels` gives them.
    """

    picture: Pixels
    levels: Levels

    @property
    def grey(self) -> Grey:
        """The picture, float32 [height, width] in 0..255."""
        return self.picture.astype(np.float32)


class StyleBank:
    """Styles by class. Images without a head have none."""

    def __init__(
        self, pictures: Iterable[tuple[bytes, int, Pixels]], healthy: int | None = None
    ) -> None:
        """Measures the images.

        Args:
            pictures: Digest, class and uint8 RGB [height, width, 3] of each.
            healthy: The class without a tumour, if there is one.
        """
        self._healthy = healthy
        self._of: dict[int, list[Style]] = {}
        kept = []
        for digest, label, pixels in pictures:
            mask = head_mask(pixels)
            if mask is not None:
                grey = grey_levels(pixels)
                style = Style(np.rint(grey).astype(np.uint8), head_levels(grey, mask))
                self._of.setdefault(label, []).append(style)
                kept.append([digest.hex(), label])
        self.identity = identity(kept, healthy)
        """Tells banks apart that give other styles."""

    def other_than(self, label: int, generator: np.random.Generator) -> Style | None:
        """Draws the style of another class: of tumours mostly the healthy one's.

        Args:
            label: The class whose style is not wanted.
            generator: Decides.

        Returns:
            The style; None if no other class has one.
        """
        others = {one: styles for one, styles in self._of.items() if one != label}
        healthy = others.pop(self._healthy, None) if self._healthy is not None else None
        if healthy and (not others or generator.random() < _HEALTHY):
            return _drawn(healthy, generator)
        pool = [style for one in sorted(others) for style in others[one]]
        return _drawn(pool, generator) if pool else None


def _drawn(styles: Sequence[Style], generator: np.random.Generator) -> Style:
    return styles[int(generator.integers(len(styles)))]
