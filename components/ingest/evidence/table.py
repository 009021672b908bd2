"""The evidence table: looks by class, and how well levels alone tell the classes."""

from components.strict_config import StrictConfig

TELLING = 0.8
"""Area under the ROC curve above which levels that a tumour hardly changes tell too much."""
_BY_CHANCE = 1e-4
"""How probable it may be, at most, that a look holds so few groups of a class by chance: a dozen
looks are asked about each of some classes."""
_FEW = 0.25
"""Share of the expected groups below which they are too few."""


class Look(StrictConfig):
    """Training images that look alike, whatever they show.

    Attributes:
        words: What is out of the middle about them.
        images: By class.
        groups: Different pictures or patients by class: copies count once.
        tags: Images by what DICOM files say of themselves, by tag and value.
        examples: Small pictures of typical ones, without what lies outside the head, as data
            addresses.
    """

    words: str
    images: dict[str, int]
    groups: dict[str, int]
    tags: dict[str, dict[str, int]] = {}
    examples: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """Groups of all classes."""
        return sum(self.groups.values())


class Told(StrictConfig):
    """How well levels alone tell one class from the rest, on groups that were held out.

    Attributes:
        accuracy: Share of images for which it is rightly said whether they are of the class.
        chance: The same of who always says what is more frequent.
        auc: Area under the ROC curve; 0.5 by chance.
        auc_low: Lower end of its 95 % interval.
        steady: The same area by those levels alone that a tumour hardly changes, see
            `components.ingest.evidence.steady`: the source's share.
        steady_low: Lower end of its interval.
    """

    accuracy: float
    chance: float
    auc: float
    auc_low: float
    steady: float = 0.5
    steady_low: float = 0.0


class Evidence(StrictConfig):
    """What the training images can teach, as far as their looks say.

    Attributes:
        looks: The one with most groups first; none where there is no training image.
        accuracy: Share of images whose class levels alone tell; None where that was not tested.
        chance: The same of who always names the largest class.
        told: Class by class.
    """

    looks: tuple[Look, ...] = ()
    accuracy: float | None = None
    chance: float | None = None
    told: dict[str, Told] = {}

    def too_few(self, look: Look, label: str) -> bool:
        """Whether a look has far fewer groups of a class than the class has elsewhere."""
        from scipy.special import bdtr

        found, expected = look.groups.get(label, 0), self._expected(look, label)
        if found >= _FEW * expected:
            return False
        return float(bdtr(found, look.count, expected / look.count)) < _BY_CHANCE

    def gaps(self) -> tuple[str, ...]:
        """A sentence for every look that lacks a class, the gravest first."""
        found = []
        for look in self.looks:
            lacking = [label for label in look.groups if self.too_few(look, label)]
            if lacking:
                missing = (self._expected(look, name) - look.groups[name] for name in lacking)
                found.append((-sum(missing), _sentence(look, lacking)))
        return tuple(sentence for _, sentence in sorted(found))

    def telling(self, limit: float = TELLING) -> dict[str, Told]:
        """The classes that levels tell which a tumour hardly changes, the best told first.

        Args:
            limit: Area under the ROC curve that is certainly exceeded.
        """
        found = {label: one for label, one in self.told.items() if one.steady_low > limit}
        return dict(sorted(found.items(), key=lambda item: -item[1].steady))

    def _expected(self, look: Look, label: str) -> float:
        everywhere = sum(one.groups.get(label, 0) for one in self.looks)
        return look.count * everywhere / max(sum(one.count for one in self.looks), 1)


def told_words(label: str, told: Told) -> str:
    """How well a class is told, as a sentence without its full stop."""
    return (
        f"The head's levels alone distinguish {label} from the rest with accuracy "
        f"{told.accuracy:.3f} (always the same answer: {told.chance:.3f}) and an area under the "
        f"ROC curve of {told.auc:.3f} (chance: 0.5); those that a tumour hardly changes, with an "
        f"area of {told.steady:.3f}"
    )


def _sentence(look: Look, lacking: list[str]) -> str:
    absent = [label for label in lacking if not look.groups[label]]
    rare = [
        f"only {look.groups[label]:,} {'is' if look.groups[label] == 1 else 'are'} {label}"
        for label in lacking
        if look.groups[label]
    ]
    present = [label for label, count in look.groups.items() if count]
    if len(present) == 1:
        said = f"all are {present[0]}"
    else:
        said = " and ".join([*([f"none is {' or '.join(absent)}"] if absent else []), *rare])
    knows = "cannot know" if absent else "can hardly know"
    return f"Of {look.count:,} groups that look like this ({look.words}), {said}: a model {knows}."
