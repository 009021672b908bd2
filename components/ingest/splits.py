"""Which image goes to which split."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from components.errors import PipelineError
from components.ingest.config import IngestConfig
from components.ingest.records import ImageRecord

SPLITS = ("train", "eval", "test")


def assign_splits(records: Sequence[ImageRecord], config: IngestConfig) -> dict[str, str]:
    """Assigns every image to train, eval or test.

    Images keep the side of the folder that they came in. Where the folder has no test images, a
    share of each class becomes `test`; where it has no eval images, a share of each class of the
    training images becomes `eval`. Identical pictures that are drawn move together, and the draw
    depends on the pictures' content alone: neither on names nor on order.

    Args:
        records: All accepted images.
        config: The shares.

    Returns:
        Split by image name.

    Raises:
        PipelineError: A class is left without training images, or a split is empty.
    """
    splits = {record.name: record.folder_split for record in records}
    for split, share in (("test", config.test_share), ("eval", config.eval_share)):
        if split not in splits.values():
            train = [record for record in records if splits[record.name] == "train"]
            splits.update(dict.fromkeys(_draw(train, share), split))
    _check(records, splits)
    return splits


def _draw(records: Iterable[ImageRecord], share: float) -> Iterable[str]:
    """Draws whole groups of each class, by the order of their digests, until the share is met."""
    groups: dict[str, list[ImageRecord]] = defaultdict(list)
    for record in records:
        groups[record.group].append(record)
    by_label: dict[str, list[str]] = defaultdict(list)
    for group in sorted(groups):
        by_label[min(record.label for record in groups[group])].append(group)
    for label_groups in by_label.values():
        wanted = round(share * sum(len(groups[group]) for group in label_groups))
        for group in label_groups:
            if wanted <= 0:
                break
            wanted -= len(groups[group])
            yield from (record.name for record in groups[group])


def _check(records: Sequence[ImageRecord], splits: Mapping[str, str]) -> None:
    labels = {record.label for record in records}
    trained = {record.label for record in records if splits[record.name] == "train"}
    if missing := sorted(labels - trained):
        raise PipelineError(
            f"No training image is left of class {', '.join(missing)}: add images to its training "
            "folder or remove the class."
        )
    for split in SPLITS:
        if split not in splits.values():
            raise PipelineError(
                f"The {split} split is empty: {len(records)} images are too few to draw it from; "
                "add images."
            )
