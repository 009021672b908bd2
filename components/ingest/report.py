"""What ingest found in a folder, in figures: written beside the splits, read by the gate."""

from components.ingest.evidence.table import Evidence
from components.json_file import JsonFile
from components.strict_config import StrictConfig


class FolderCounts(StrictConfig):
    """What is in a folder, however its images are split.

    Files are counted in `found`, `ingested`, `rejected`, `reasons` and `burnt_in`; everything else
    counts images, of which a DICOM or NIfTI file may hold several.

    Attributes:
        found: Files in the folder.
        ingested: Files of which at least one image can be used.
        rejected: Files of which none can; `found` is the sum of both.
        passed_over: Files and folders that systems left behind; they are not in `found`.
        unnamed: Files that the table of labels does not name; they are not in `found` either.
        reasons: Rejected files by reason, the most frequent first.
        largest_group: Images in the largest group that shows one picture or patient.
        exact_cross_split: Test images whose pixels are those of an image in the original training
            folder.
        near_cross_split: Test images with any match there: exact, near, or of the same patient.
        seen: `near_cross_split` by class.
        label_conflicts: Groups whose images carry different labels.
        blackened: Images in which something outside the head was seen, and made black.
        burnt_in: Ingested files that say of themselves that text is burnt into them.
        evidence: Which looks the training images have, and which classes each look has.
    """

    found: int
    ingested: int
    rejected: int
    passed_over: int = 0
    unnamed: int = 0
    reasons: dict[str, int]
    largest_group: int
    exact_cross_split: int
    near_cross_split: int
    seen: dict[str, int]
    label_conflicts: int
    blackened: int = 0
    burnt_in: int = 0
    evidence: Evidence = Evidence()


class IngestReport(FolderCounts, JsonFile):
    """The figures of one ingestion.

    Attributes:
        source: Name of the data folder.
        span: The newest span that was read; 0 where the folder has none.
        spans: All spans that were read.
        fingerprint: Digest of the listing.
        policy: The split policy.
        classes: Class names in the order of their indices.
        images: Images by split (`train`, `eval`, `test`, `excluded`) and class.
        groups: Groups of images that show the same picture, those of one image included.
        remaining_cross_split: Found pairs that the final splits still keep on two sides: none but
            under `as_is`.
        history: Images whose side was known from an earlier ingestion.
        unlinked: Images of earlier ingestions whose patients cannot be told from those of these.
        nameless: Images of DICOM files that name no patient, or have a placeholder in the place.
    """

    FILE = "report.json"

    source: str
    span: int
    spans: tuple[int, ...]
    fingerprint: str
    policy: str
    classes: tuple[str, ...]
    images: dict[str, dict[str, int]]
    groups: int
    remaining_cross_split: int
    history: int
    unlinked: int = 0
    nameless: int = 0

    def count(self, split: str) -> int:
        """Images in a split."""
        return sum(self.images.get(split, {}).values())
