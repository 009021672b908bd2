"""Writes the synthetic sample, laid out as the Kaggle set: Training/CLASS and Testing/CLASS."""

import json
import secrets
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, validate_call

from samples.synthetic.errors import SampleError, TakenError
from samples.synthetic.labels import CLASSES, PREFIXES, SPLITS, Split

GENERATOR_VERSION = 2
"""Raised whenever the same seed would give other pictures."""

MANIFEST = "sample.json"

_Side = Annotated[int, Field(strict=True, ge=64, le=2048)]
Progress = Callable[[int, int], None]
"""Called with how many images are written and how many there will be."""


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


@validate_call
def write_sample(
    out: Path,
    *,
    per_class: Annotated[int, Field(strict=True, ge=1)],
    seed: Annotated[int, Field(strict=True, ge=0)] = 0,
    test_share: Annotated[float, Field(strict=True, gt=0, le=1)] = 0.25,
    size: tuple[_Side, _Side] = (200, 512),
    masks: Path | None = None,
    progress: Progress | None = None,
) -> bool:
    """Writes a synthetic sample, or keeps the one that is there if it is the same.

    The same arguments give the same bytes, and image i of a class and split does not depend on how
    many images are made. Everything is written into a temporary folder beside `out` and renamed, so
    that `out` is a whole sample or is not there.

    Args:
        out: The folder to make. It may be missing, empty, or a sample of the same parameters.
        per_class: Number of *training* images of each class, at least 1.
        seed: Seed of everything that is drawn, at least 0.
        test_share: Test images of each class as a share of `per_class`, rounded, at least one.
        size: Smallest and largest longer side of an image, in pixels, 64 to 2048.
        masks: A folder, outside `out`, to mirror the layout with lesion masks in (PNG, 0 or 255).
        progress: Called after each image with (written, total).

    Returns:
        Whether anything was made: not where a complete sample of the same parameters was there.

    Raises:
        ValueError: An argument is of the wrong type or outside its range.
        SampleError: `out` or `masks` holds something else or cannot be written, or the MNI152
            template is not installed.

    Example:
        >>> write_sample(Path("sample"), per_class=4)  # doctest: +SKIP
    """
    if size[0] > size[1]:
        raise ValueError(f"size is {size}: the smallest side is larger than the largest.")
    testing = max(1, round(per_class * test_share))
    parameters = _Parameters(per_class, testing, seed, *size)
    out = out.absolute()
    masks = masks and masks.absolute()
    if masks and (masks == out or out in masks.parents or masks in out.parents):
        raise ValueError(f"masks is {masks}; it must lie outside the sample's folder {out}.")
    targets = [out, masks] if masks else [out]
    missing = [target for target in targets if not _is_sample(target, parameters)]
    if missing:
        _write(out, masks, missing, parameters, progress)
    return bool(missing)


def _is_sample(target: Path, parameters: _Parameters) -> bool:
    """True for a complete sample of these parameters, False for nothing; refuses the rest."""
    try:
        if not target.exists() and not target.is_symlink():
            return False
        if not target.is_dir():
            raise TakenError(target, "is a file, where the sample needs a folder")
        if not any(target.iterdir()):
            return False
        manifest = target / MANIFEST
        if not manifest.is_file():
            raise TakenError(
                target, f"holds files that are not a synthetic sample (it has no {MANIFEST})"
            )
        found = json.loads(manifest.read_text(encoding="utf-8"))
    except OSError as error:
        raise SampleError(f"{target} cannot be read ({error.strerror}): name another.") from error
    except ValueError as error:
        raise TakenError(target, f"holds a damaged sample ({MANIFEST} is not JSON)") from error
    if found != parameters.manifest():
        raise TakenError(
            target,
            "holds a synthetic sample with other parameters or from another version of the "
            f"generator (see {MANIFEST})",
        )
    expected = sum(parameters.count(split) for split in SPLITS) * len(CLASSES)
    present = sum(1 for split in SPLITS for file in (target / split).glob("*/*") if file.is_file())
    if present != expected:
        raise TakenError(
            target, f"is a synthetic sample with {present:,} images, but {expected:,} were expected"
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
    images = [
        (split, label, index)
        for split in SPLITS
        for label in CLASSES
        for index in range(parameters.count(split))
    ]
    size = (parameters.smallest, parameters.largest)
    manifest = json.dumps(parameters.manifest(), indent=2) + "\n"
    drafts = {one: one.with_name(f".{one.name}.{secrets.token_hex(4)}") for one in missing}
    try:
        for draft in drafts.values():
            for split, label, _ in images:
                (draft / split / label).mkdir(parents=True, exist_ok=True)
        for done, (split, label, index) in enumerate(images, start=1):
            picture = render(label, seed=parameters.seed, split=split, index=index, size=size)
            place = Path(split, label, f"{PREFIXES[split]}-{label}_{index:04d}")
            if out in drafts:
                picture.save(drafts[out] / place.with_suffix(".jpg"))
            if masks in drafts:
                picture.save_mask(drafts[masks] / place.with_suffix(".png"))
            if progress:
                progress(done, len(images))
        for target in reversed(missing):  # the sample itself last: it says that all is there
            (drafts[target] / MANIFEST).write_text(manifest, encoding="utf-8")
            drafts[target].replace(target)
    except OSError as error:
        raise SampleError(
            f"The sample could not be written to {error.filename or out} ({error.strerror}): make "
            "room or name a folder that you may write to; nothing unfinished was left behind."
        ) from error
    finally:
        for draft in drafts.values():
            shutil.rmtree(draft, ignore_errors=True)
