"""Writes the synthetic sample, laid out as the Kaggle set: Training/CLASS and Testing/CLASS."""

from __future__ import annotations

import json
import math
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from samples.synthetic.errors import SampleError
from samples.synthetic.labels import CLASSES, PREFIXES, SPLITS, Split

if TYPE_CHECKING:
    from samples.synthetic.rendering import Rendering

GENERATOR_VERSION = 2
"""Raised whenever the same seed would give other pictures."""

MANIFEST = "sample.json"
_SMALLEST_SIDE, _LARGEST_SIDE = 64, 2048

Progress = Callable[[int, int], None]
"""Called with how many images are written and how many there will be."""


@dataclass(frozen=True)
class SampleSummary:
    """What a sample holds.

    Attributes:
        path: The sample's folder.
        masks: The folder of lesion masks, if they were asked for.
        training: Number of training images.
        testing: Number of test images.
        created: False where a complete sample of the same parameters was there already.
    """

    path: Path
    masks: Path | None
    training: int
    testing: int
    created: bool


@dataclass(frozen=True)
class _Parameters:
    """Everything that decides the bytes of a sample."""

    per_class: int
    test_per_class: int
    seed: int
    smallest: int
    largest: int

    def count(self, split: Split) -> int:
        return self.per_class if split == "Training" else self.test_per_class

    def manifest(self) -> dict[str, object]:
        return {
            "kind": "synthetic",
            "notice": (
                "Computer-generated pictures, not patients: slices of the MNI152 template, "
                "deformed, with painted tumours. Copyright (C) 1993-2004 Louis Collins, McConnell "
                "Brain Imaging Centre, Montreal Neurological Institute, McGill University."
            ),
            "generator_version": GENERATOR_VERSION,
            "parameters": asdict(self),
        }


def write_sample(
    out: Path,
    *,
    per_class: int,
    seed: int = 0,
    test_share: float = 0.25,
    size: tuple[int, int] = (200, 512),
    masks: Path | None = None,
    progress: Progress | None = None,
) -> SampleSummary:
    """Writes a synthetic sample, or keeps the one that is there if it is the same.

    The same arguments give the same bytes, and image i of a class and split does not depend on how
    many images are made. Everything is written into a temporary folder beside `out` and renamed, so
    that `out` is a whole sample or is not there.

    Args:
        out: The folder to make. It may be missing, empty, or a sample of the same parameters.
        per_class: Number of *training* images of each class, at least 1.
        seed: Seed of everything that is drawn, at least 0.
        test_share: Test images of each class as a share of `per_class`, rounded, at least one.
        size: Smallest and largest longer side of an image, in pixels.
        masks: A folder, outside `out`, to mirror the layout with lesion masks in (PNG, 0 or 255).
        progress: Called after each image with (written, total).

    Returns:
        The counts and folders.

    Raises:
        ValueError: An argument is of the wrong type or outside its range.
        SampleError: `out` or `masks` holds something else or cannot be written, or the MNI152
            template is not installed.

    Example:
        >>> write_sample(Path("sample"), per_class=4)  # doctest: +SKIP
    """
    parameters = _check(per_class, seed, test_share, size)
    out = Path(out).absolute()
    masks = None if masks is None else Path(masks).absolute()
    if masks is not None and (masks == out or out in masks.parents or masks in out.parents):
        raise ValueError(f"masks is {masks}; it must lie outside the sample's folder {out}.")
    targets = [out] if masks is None else [out, masks]
    missing = [target for target in targets if not _is_sample(target, parameters)]
    summary = SampleSummary(
        out,
        masks,
        per_class * len(CLASSES),
        parameters.test_per_class * len(CLASSES),
        bool(missing),
    )
    if missing:
        _write(out, masks, missing, parameters, progress)
    return summary


def _check(per_class: object, seed: object, test_share: object, size: object) -> _Parameters:
    """The arguments as a value, once they are what the signature says."""
    share = test_share if isinstance(test_share, int | float) else math.nan
    if isinstance(test_share, bool) or not 0 < share <= 1:
        raise ValueError(f"test_share is {test_share!r}; expected a number above 0 and up to 1.")
    sides = tuple(size) if isinstance(size, tuple | list) else ()
    if len(sides) != 2 or not all(type(side) is int for side in sides):
        sides = (0, 0)
    if not _SMALLEST_SIDE <= sides[0] <= sides[1] <= _LARGEST_SIDE:
        raise ValueError(
            f"size is {size!r}; expected (smallest, largest) longer side in pixels, "
            f"between {_SMALLEST_SIDE} and {_LARGEST_SIDE}."
        )
    training = _whole("per_class", per_class, 1)
    testing = max(1, round(training * share))
    return _Parameters(training, testing, _whole("seed", seed, 0), sides[0], sides[1])


def _whole(name: str, value: object, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} is {value!r}; expected a whole number of {least} or more.")
    return value


def _is_sample(target: Path, parameters: _Parameters) -> bool:
    """True for a complete sample of these parameters, False for nothing; refuses the rest."""
    try:
        if not target.exists() and not target.is_symlink():
            return False
        if not target.is_dir():
            raise SampleError(
                f"{target} is a file where the sample's folder should be: name another folder."
            )
        if not any(target.iterdir()):
            return False
        manifest = target / MANIFEST
        if not manifest.is_file():
            raise SampleError(
                f"{target} holds files that are not a synthetic sample (it has no {MANIFEST}): "
                "name another folder, or remove this one; nothing in it was changed."
            )
        found = json.loads(manifest.read_text(encoding="utf-8"))
    except OSError as error:
        raise SampleError(f"{target} cannot be read ({error.strerror}): name another.") from error
    except ValueError as error:
        raise SampleError(
            f"{target / MANIFEST} is not JSON: remove {target} to redo it."
        ) from error
    if found != parameters.manifest():
        raise SampleError(
            f"{target} holds a synthetic sample of other parameters or of another version of the "
            f"generator (see {MANIFEST}): name another folder, or remove this one to make it anew."
        )
    expected = sum(parameters.count(split) for split in SPLITS) * len(CLASSES)
    present = sum(1 for split in SPLITS for file in (target / split).glob("*/*") if file.is_file())
    if present != expected:
        raise SampleError(
            f"{target} is a synthetic sample with {present} images where {expected} were "
            "expected: remove it to make it anew."
        )
    return True


def _write(
    out: Path,
    masks: Path | None,
    missing: list[Path],
    parameters: _Parameters,
    progress: Progress | None,
) -> None:
    """Renders everything into temporary siblings of the missing folders, then renames them."""
    from samples.synthetic.anatomy import load_template
    from samples.synthetic.rendering import render

    load_template()  # fail before anything is written
    total = sum(parameters.count(split) for split in SPLITS) * len(CLASSES)
    done = 0
    drafts: dict[Path, Path] = {}
    try:
        for target in missing:
            target.parent.mkdir(parents=True, exist_ok=True)
            drafts[target] = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        for split in SPLITS:
            for label in CLASSES:
                for draft in drafts.values():
                    (draft / split / label).mkdir(parents=True)
                for index in range(parameters.count(split)):
                    picture = render(
                        label,
                        seed=parameters.seed,
                        split=split,
                        index=index,
                        size=(parameters.smallest, parameters.largest),
                    )
                    place = Path(split, label, f"{PREFIXES[split]}-{label}_{index:04d}")
                    if out in drafts:
                        _save_picture(picture, drafts[out] / place.with_suffix(".jpg"))
                    if masks is not None and masks in drafts:
                        _save_mask(picture, drafts[masks] / place.with_suffix(".png"))
                    done += 1
                    if progress is not None:
                        progress(done, total)
        text = json.dumps(parameters.manifest(), indent=2) + "\n"
        for target in reversed(missing):  # the sample itself last: it says that all is there
            draft = drafts[target]
            (draft / MANIFEST).write_text(text, encoding="utf-8")
            draft.chmod(0o777 & ~_umask())
            draft.replace(target)
            del drafts[target]
    except OSError as error:
        raise SampleError(
            f"The sample could not be written to {error.filename or out} ({error.strerror}): "
            "make room or name a folder that you may write to; nothing half-made was left."
        ) from error
    finally:
        for draft in drafts.values():
            shutil.rmtree(draft, ignore_errors=True)


def _umask() -> int:
    """The process's umask: mkdtemp ignores it, a folder that others read must not."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _save_picture(picture: Rendering, path: Path) -> None:
    from PIL import Image

    image = Image.fromarray(picture.image)
    if picture.colour:
        image = image.convert("RGB")
    image.save(path, "JPEG", quality=picture.quality)


def _save_mask(picture: Rendering, path: Path) -> None:
    from PIL import Image

    Image.fromarray(picture.mask.astype("uint8") * 255).save(path, "PNG")
