"""What the model said of a study, as it is kept: everything that the answers are made of."""

from components.strict_config import StrictConfig


class ModelFacts(StrictConfig):
    """Which model answered.

    Attributes:
        name: Its name on the server.
        version: Its version.
        card: SHA-256 of its model card, 64 hexadecimal digits; empty if the card is not known.
    """

    name: str
    version: str
    card: str = ""


class SliceRecord(StrictConfig):
    """What the model said of one slice, or why it said nothing.

    Attributes:
        instance: SOPInstanceUID of its image.
        frame: Its frame in there, from 0.
        frames: How many frames the image has.
        head: Share of the picture that the head takes up.
        counts: Whether it counts for the series' answer.
        label: The likeliest class; None if it could not be judged.
        probabilities: Probability by class name.
        in_distribution: Whether it looks like the training images; None if the model does not say.
        refer: Whether a person must decide; None likewise.
        reasons: Why, in words.
        error: Why it could not be judged.
    """

    instance: str
    frame: int = 0
    frames: int = 1
    head: float = 0.0
    counts: bool = False
    label: str | None = None
    probabilities: dict[str, float] | None = None
    in_distribution: bool | None = None
    refer: bool | None = None
    reasons: str | None = None
    error: str | None = None


class KeySlice(StrictConfig):
    """A slice that is shown with its heat.

    Attributes:
        instance: SOPInstanceUID of its image.
        frame: Its frame in there, from 0.
        frames: How many frames the image has.
        overlay: Name of the PNG file in the study's folder.
    """

    instance: str
    frame: int
    frames: int = 1
    overlay: str


class SeriesAnswer(StrictConfig):
    """What was said of one series that was read.

    Attributes:
        uid: Its SeriesInstanceUID.
        label: The class of the greatest mean probability.
        probabilities: The mean by class name.
        in_distribution: Whether most slices look like the training images; None if not said.
        refer: Whether a person must decide.
        reasons: Why, in words.
        words: How the answer came about, in words.
        slices: What was said of each slice, in their order.
        key_slices: The slices that are shown.
    """

    uid: str
    label: str
    probabilities: dict[str, float]
    in_distribution: bool | None
    refer: bool
    reasons: str
    words: str
    slices: tuple[SliceRecord, ...]
    key_slices: tuple[KeySlice, ...] = ()


class PassedOver(StrictConfig):
    """A series that was not read.

    Attributes:
        uid: Its SeriesInstanceUID.
        reason: Why.
    """

    uid: str
    reason: str


class StudyAnswer(StrictConfig):
    """What was said of a study.

    Attributes:
        time: When, UTC, `YYYYMMDDHHMMSS`.
        model: Which model said it.
        series: The series that were read.
        passed_over: Those that were not, and why.
    """

    time: str
    model: ModelFacts
    series: tuple[SeriesAnswer, ...]
    passed_over: tuple[PassedOver, ...] = ()
