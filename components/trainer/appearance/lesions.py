"""Lesions painted on pictures of healthy heads, in whatever sequence these are.

What is bright and dark follows from the head's own levels, so that a lesion belongs to its picture.
A decoy is what painting does to a picture, without a lesion: it keeps a network from learning the
traces of the brush. All pictures are grey levels, float32 [height, width] in 0..255.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy.ndimage import distance_transform_edt, gaussian_filter, map_coordinates

from imaging.head import Grey, Mask

_TRIES = 8
"""Lesions that are painted, at most, until one can be seen."""
_VISIBLE = 0.22
"""Change of level from which on a pixel counts as changed, as a share of the head's range."""
_LEAST_VISIBLE = 0.012
"""Share of the head that must be changed."""
_RIND = 0.16
"""Thickness of scalp and skull, as a share of the head's half-width."""
_ELLIPSE = 0.925
"""Overlap with an ellipse from which on a head is a horizontal slice, without face and neck."""
_UPPER, _ALL = 0.5, 0.85
"""Share of the head's height, from the top, that lesions lie in; of a horizontal slice's."""
_NARROWEST = 30.0
"""Levels between dark and bright that are painted with at least."""
_GRAIN = 0.6
"""The painted part's grain, as a share of the picture's own."""
_TOUCHED = 6.0
"""Change of level from which on a pixel gets new grain."""
_FINE = 2.0
"""Cells, at most, by which noise is blurred."""


def paint_lesion(grey: Grey, mask: Mask, generator: np.random.Generator) -> Grey:
    """Paints a lesion that can be seen: of the tries that are needed, the plainest.

    Args:
        grey: float32 [height, width] in 0..255.
        mask: bool [height, width], of the head; not empty.
        generator: Decides where, which kind, how large and how bright.

    Returns:
        float32 [height, width] in 0..255, unchanged outside the head.
    """
    head = _Head(grey, mask)
    kinds = list(_KINDS)
    shares = [share for share, _ in _KINDS.values()]
    plainest, seen = grey, -1.0
    for _ in range(_TRIES):
        kind = str(generator.choice(kinds, p=shares))
        canvas = _Canvas(head, generator)
        _KINDS[kind][1](canvas)
        painted = canvas.finished()
        visible = head.visible(painted)
        if visible > seen:
            plainest, seen = painted, visible
        if seen >= _LEAST_VISIBLE:
            break
    return plainest


def paint_decoy(grey: Grey, mask: Mask, generator: np.random.Generator) -> Grey:
    """Pushes, smooths and regrains a part of the brain, without a lesion.

    Args:
        grey: float32 [height, width] in 0..255.
        mask: bool [height, width], of the head; not empty.
        generator: Decides where and how much.

    Returns:
        float32 [height, width] in 0..255, unchanged outside the head.
    """
    canvas = _Canvas(_Head(grey, mask), generator)
    canvas.at(canvas.head.deep(), generator.uniform(0.14, 0.45))
    canvas.push(generator.uniform(-0.35, 0.35))
    smooth = gaussian_filter(canvas.picture, generator.uniform(0.6, 1.2))
    smooth += 3 * generator.standard_normal(smooth.shape, np.float32)
    canvas.blend(0.7 * canvas.inside(canvas.blob(rough=0.5), 2.0), smooth)
    return canvas.finished()


class _Head:
    """A head, measured."""

    def __init__(self, grey: Grey, mask: Mask) -> None:
        self.grey = grey
        self.mask = mask
        self.depth: Grey = np.float32(distance_transform_edt(np.pad(mask, 1)))[1:-1, 1:-1]
        """Distance from the outline, in pixels."""
        self.radius = float(self.depth.max())
        self.rind = _RIND * self.radius
        brain = self.depth > 1.2 * self.rind
        levels = grey[brain]
        self.low, self.middle, self.high, top = np.percentile(levels, [10, 50, 92, 99])
        self.span = max(top - self.low, _NARROWEST)
        self.grain = float((grey - gaussian_filter(grey, 1.0))[brain].std())
        self._range = max(float(np.subtract(*np.percentile(grey[mask], [97, 5]))), 20.0)

    def visible(self, painted: Grey) -> float:
        """The share of the head that differs plainly."""
        change = gaussian_filter(np.abs(painted - self.grey), 1.0)
        return float((change > _VISIBLE * self._range)[self.mask].mean())

    def deep(self) -> Mask:
        """Well within the brain."""
        found: Mask = self.depth > self.rind + 0.2 * self.radius
        return found

    def rim(self) -> Mask:
        """Along the skull."""
        return (self.depth > self.rind) & (self.depth < self.rind + 0.18 * self.radius)

    def base(self) -> Mask:
        """In the middle, a little lower: where the pituitary gland is."""
        down, right = (places.mean() for places in np.nonzero(self.mask))
        y, x = np.indices(self.mask.shape, np.float32)
        near = np.hypot(y - down - 0.12 * self.radius, x - right) < 0.2 * self.radius
        found: Mask = near & (self.depth > 0.5 * self.radius)
        return found

    def upper(self) -> Mask:
        """The rows that hold brain in any view; the lower ones may be neck and face."""
        rows, columns = (np.flatnonzero(self.mask.any(axis)) for axis in (1, 0))
        height, width = len(rows), len(columns)
        y, x = np.ogrid[: self.mask.shape[0], : self.mask.shape[1]]
        down = (2 * y - rows[0] - rows[-1]) / height
        right = (2 * x - columns[0] - columns[-1]) / width
        ellipse = down**2 + right**2 <= 1
        overlap = (ellipse & self.mask).sum() / (ellipse | self.mask).sum()
        found: Mask = y < rows[0] + (_ALL if overlap > _ELLIPSE else _UPPER) * height
        return found


@dataclass
class _Spot:
    """Where something is painted: its middle, and its radius in pixels."""

    middle: np.ndarray[tuple[int], np.dtype[np.float64]]
    radius: float


class _Canvas:
    """A picture that is being painted on."""

    def __init__(self, head: _Head, generator: np.random.Generator) -> None:
        self.head = head
        self.generator = generator
        self.picture = head.grey
        self.bright = float(
            np.clip(
                max(
                    head.middle + self.draw(0.25, 0.9) * head.span,
                    head.high * self.draw(0.8, 1.1),
                ),
                0,
                255,
            )
        )
        self.dark = float(head.low * self.draw(0.5, 1.0))
        self._brain = _step(head.depth - head.rind * self.draw(0.8, 1.2), 2.0)
        self._places = np.indices(head.mask.shape, np.float32)
        self.edge = self.draw(0.8, 3.0)
        """Width of what is painted's edge, in pixels."""
        self.spot = _Spot(np.zeros(2), 0.0)

    def draw(self, low: float, high: float) -> float:
        """A number between these."""
        return float(self.generator.uniform(low, high))

    def likely(self, share: float) -> bool:
        """Whether something happens that does so often."""
        return bool(self.generator.random() < share)

    def at(self, where: Mask, size: float) -> None:
        """Chooses the spot.

        Args:
            where: Its middle lies in there, in the upper part if there is some, or else in the
                head's middle.
            size: Its radius as a share of the head's half-width.
        """
        places = np.argwhere(where & self.head.upper())
        if len(places):
            middle = places[self.generator.integers(len(places))].astype(float)
        else:
            middle = np.argwhere(self.head.mask).mean(axis=0)
        self.spot = _Spot(middle, size * self.head.radius)

    def near(self, distance: float, size: float) -> _Spot:
        """Another spot.

        Args:
            distance: Deviation of its middle from the spot's, as a share of the spot's radius.
            size: Its radius as a share of the spot's.
        """
        away = self.generator.normal(0, distance * self.spot.radius, 2)
        return _Spot(self.spot.middle + away, size * self.spot.radius)

    def noise(self, deviation: float) -> Grey:
        """Noise of mean 0 and deviation 1, blurred by so many pixels; drawn as coarse as it is."""
        height, width = self.picture.shape
        cell = max(deviation / _FINE, 1.0)
        cells = (round(height / cell) + 1, round(width / cell) + 1)
        white = self.generator.standard_normal(cells, np.float32)
        smooth = gaussian_filter(white, deviation / cell, mode="wrap", truncate=3)
        view = Image.fromarray(smooth).resize((width, height), Image.Resampling.BICUBIC)
        centred = np.asarray(view) - smooth.mean()
        found: Grey = centred / (centred.std() + np.float32(1e-6))
        return found

    def texture(self, strength: float, deviation: float) -> Grey:
        """Factors around 1."""
        found: Grey = 1 + np.float32(strength) * self.noise(deviation)
        return found

    def blob(
        self, spot: _Spot | None = None, *, rough: float, longish: tuple[float, float] = (0.65, 1.0)
    ) -> Grey:
        """A field that is above zero within a rough ellipse, 1 in its middle."""
        spot = spot or self.spot
        turn, shape = self.draw(0, np.pi), self.draw(*longish)
        down, right = (self._places[axis] - spot.middle[axis] for axis in (0, 1))
        along = (right * np.cos(turn) + down * np.sin(turn)) / spot.radius
        across = (down * np.cos(turn) - right * np.sin(turn)) / (spot.radius * shape)
        outline = 0.5 * rough * self.noise(max(0.35 * spot.radius, 1.5))
        found: Grey = (1 - np.hypot(along, across) + outline).astype(np.float32)
        return found

    def inside(self, field: Grey, edge: float, spot: _Spot | None = None) -> Grey:
        """How much of each pixel lies within a blob and the brain; the edge's width in pixels."""
        found: Grey = _step(field, edge / (spot or self.spot).radius) * self._brain
        return found

    def push(self, strength: float) -> None:
        """Mass effect: what lies around the spot is pushed outwards."""
        radius = self.spot.radius
        down, right = (self._places[axis] - self.spot.middle[axis] for axis in (0, 1))
        distance = np.hypot(down, right) + 1e-3
        reach = np.exp(-((distance / (1.8 * radius)) ** 2))
        reach *= 1 - np.exp(-((distance / (0.4 * radius)) ** 2))
        share = strength * radius * reach / distance
        places = self._places - np.stack([down, right]) * share
        self.picture = map_coordinates(self.picture, places, order=1, mode="nearest")

    def blend(self, share: Grey, level: Grey | float) -> None:
        """Lays levels on the picture, so much of them at each pixel."""
        self.picture = (self.picture + share * (level - self.picture)).astype(np.float32)

    def finished(self) -> Grey:
        """The picture, with its own grain where it was painted on, within the head alone."""
        before = self.head.grey
        touched = self.head.mask & (np.abs(self.picture - before) > _TOUCHED)
        grain = self.generator.standard_normal(before.shape, np.float32)
        grain *= np.float32(_GRAIN * self.head.grain)
        painted = np.clip(np.where(touched, self.picture + grain, self.picture), 0, 255)
        found: Grey = np.where(self.head.mask, painted, before)
        return found


def _step(field: Grey, width: float) -> Grey:
    """From 0 to 1 where a field passes zero."""
    found: Grey = np.clip(field / np.float32(width) + np.float32(0.5), 0, 1)
    return found


def _press(canvas: _Canvas) -> None:
    if canvas.likely(0.7):
        canvas.push(canvas.draw(0.2, 0.7))


def _swell(canvas: _Canvas) -> None:
    """Oedema around the spot, with fingers along the white matter; bright, or dark as in T1."""
    head = canvas.head
    field = canvas.blob(canvas.near(0.3, canvas.draw(1.4, 2.2)), rough=1.1)
    share = canvas.inside(field, canvas.draw(0.15, 0.4) * canvas.spot.radius)
    if canvas.likely(0.72):
        level = canvas.bright * canvas.draw(0.7, 1.0)
    else:
        level = canvas.dark + 0.3 * (head.middle - canvas.dark)
    seen_through = 0.15 * (canvas.picture - head.middle)
    canvas.blend(share * canvas.draw(0.5, 0.95), level * canvas.texture(0.06, 4) + seen_through)


def _glioma(canvas: _Canvas) -> None:
    """Rough, uneven, often with oedema, sometimes with a dark part."""
    head = canvas.head
    canvas.at(head.deep(), canvas.draw(0.14, 0.5))
    _press(canvas)
    if canvas.likely(0.55):
        _swell(canvas)
    share = canvas.inside(canvas.blob(rough=canvas.draw(0.3, 1.0)), canvas.edge)
    texture = canvas.texture(
        canvas.draw(0.05, 0.25), 1 + canvas.spot.radius * canvas.draw(0.1, 0.4)
    )
    seen_through = canvas.draw(0, 0.3) * (canvas.picture - head.middle)
    canvas.blend(share * canvas.draw(0.75, 1.0), canvas.bright * texture + seen_through)
    if canvas.likely(0.4):
        part = canvas.near(0.25, canvas.draw(0.25, 0.6))
        field = canvas.blob(part, rough=0.8)
        level = canvas.dark + canvas.draw(0, 0.6) * (head.middle - canvas.dark)
        canvas.blend(canvas.inside(field, 2 * canvas.edge), level)


def _ring(canvas: _Canvas) -> None:
    """A bright rim around a core of another level, sometimes with a second chamber."""
    head, generator = canvas.head, canvas.generator
    canvas.at(head.deep(), canvas.draw(0.18, 0.45))
    _press(canvas)
    if canvas.likely(0.55):
        _swell(canvas)
    cores = [
        canvas.dark,
        canvas.dark + 0.5 * (head.middle - canvas.dark),
        head.middle,
        0.8 * canvas.bright,
    ]
    level = float(generator.choice(cores, p=[0.35, 0.35, 0.15, 0.15]))
    rim = canvas.draw(0.1, 0.4)
    chambers: list[_Spot | None] = [None]
    if canvas.likely(0.3):
        chambers.append(canvas.near(1.0, canvas.draw(0.4, 0.8)))
    for spot in chambers:
        field = canvas.blob(spot, rough=canvas.draw(0.3, 0.9))
        canvas.blend(canvas.inside(field, canvas.edge), canvas.bright * canvas.texture(0.1, 2))
        thickness = rim * (1 + 0.5 * canvas.noise(0.4 * canvas.spot.radius + 1))
        canvas.blend(canvas.inside(field - thickness, canvas.edge), level * canvas.texture(0.12, 3))


def _oedema(canvas: _Canvas) -> None:
    canvas.at(canvas.head.deep(), canvas.draw(0.14, 0.5))
    _swell(canvas)


def _meningioma(canvas: _Canvas) -> None:
    """Round, even, sharp, along the skull."""
    canvas.at(canvas.head.rim(), canvas.draw(0.14, 0.5))
    _bulge(canvas)


def _pituitary(canvas: _Canvas) -> None:
    """Round, even, sharp, small, at the base."""
    canvas.at(canvas.head.base(), canvas.draw(0.1, 0.25))
    _bulge(canvas)


def _bulge(canvas: _Canvas) -> None:
    head = canvas.head
    _press(canvas)
    field = canvas.blob(rough=canvas.draw(0.05, 0.25), longish=(0.7, 1.0))
    if canvas.likely(0.4):  # a cleft of fluid around it
        canvas.blend(0.7 * canvas.inside(field + np.float32(0.15), canvas.edge), canvas.dark)
    if canvas.likely(0.85):
        level = canvas.bright
    else:
        level = head.middle + canvas.draw(0.1, 0.3) * head.span
    texture = canvas.texture(canvas.draw(0.01, 0.1), canvas.draw(1, 4))
    share = canvas.inside(field, canvas.draw(0.6, 1.5)) * canvas.draw(0.85, 1.0)
    canvas.blend(share, level * texture)


def _dark(canvas: _Canvas) -> None:
    """Dark, as most tumours are in T1 without contrast."""
    head = canvas.head
    canvas.at(head.deep(), canvas.draw(0.14, 0.5))
    _press(canvas)
    share = canvas.inside(canvas.blob(rough=0.6), 2 * canvas.edge) * canvas.draw(0.6, 1.0)
    level = canvas.dark + 0.35 * (head.middle - canvas.dark)
    canvas.blend(share, level * canvas.texture(0.1, 3))


_KINDS: Mapping[str, tuple[float, Callable[[_Canvas], None]]] = {
    "glioma": (0.3, _glioma),
    "ring": (0.2, _ring),
    "oedema": (0.15, _oedema),
    "meningioma": (0.22, _meningioma),
    "pituitary": (0.07, _pituitary),
    "dark": (0.06, _dark),
}
"""How often each kind is painted, and how."""
