"""What can be chosen about the network and its training."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from components.errors import UsageError
from components.strict_config import GivenPath, StrictConfig
from components.trainer.layers import VGG16, Widths
from components.transform.config import TransformConfig
from components.validation import refusals

_StepSize = Annotated[float, Field(gt=0)]
_Share = Annotated[float, Field(ge=0, le=1)]
_PerImage = Annotated[float, Field(ge=0, le=20)]
_Dropout = Annotated[float, Field(ge=0, lt=1)]
_Width = Annotated[int, Field(ge=1)]
_Depth = Annotated[int, Field(ge=0, le=sum(VGG16.DEPTHS))]


class ModelConfig(StrictConfig):
    """The network: VGG16's convolutions and a dense head.

    Attributes:
        weights: `imagenet`, `random`, or the path of a weights file.
        input_scaling: `imagenet` subtracts ImageNet's mean colour, as the published weights were
            trained; `unit` divides by 255, as many notebooks do.
        widths: Filters of VGG16's five blocks. Any other value than the default needs `weights:
            random`.
        trainable_convolutions: How many convolutions, counted from the last, are trained.
        dense_units: Width of the hidden dense layer.
        flatten_dropout: Dropout between Flatten and the hidden layer.
        dense_dropout: Dropout between the hidden layer and the softmax.
    """

    weights: Literal["imagenet", "random"] | GivenPath = "imagenet"
    input_scaling: Literal["imagenet", "unit"] = "imagenet"
    widths: Widths = VGG16.widths
    trainable_convolutions: _Depth = 3
    dense_units: _Width = 128
    flatten_dropout: _Dropout = 0.3
    dense_dropout: _Dropout = 0.2


class AugmentConfig(StrictConfig):
    """How training images are varied.

    Attributes:
        versions: Versions of each training image, used in turn, one per epoch. Each costs one pass
            through the frozen layers.
        keep_original: Whether the first version is the image as it is.
        brightness: Levels are multiplied by a factor within 1 +- this.
        contrast: The distance from the mean level is multiplied by a factor within 1 +- this.
        gamma: Levels, as shares of the brightest, are raised to a power within exp(+- this).
        flip: Whether left and right may be swapped.
        rotate: Largest rotation in degrees, either way.
        zoom: The side is multiplied by a factor within 1 +- this.
        shift: Largest shift in any direction, as a share of the side.
        upside_down: Share of the versions that are rotated by another 180 degrees.
        styles: Share of the versions that are restyled, in grey, black outside the head: another
            sequence, window, scanner or archive. For `transform.crop: head`, where all images are
            black there.
        swap: Share of the restyled versions that get the levels or low frequencies of an image of
            another class. Tumours mostly get those of a healthy image, and healthy images those of
            a tumour.
        levels: Whether the levels of versions are normalised within the head at the end, as
            `transform.levels: head` does with the network's input.
        seed: Seed of these random changes. Trainings that differ only in `train.seed` share the
            changes, and therefore the features.
    """

    versions: int = Field(2, ge=1, le=100)
    keep_original: bool = True
    brightness: float = Field(0.2, ge=0, lt=1)
    contrast: float = Field(0.2, ge=0, lt=1)
    gamma: float = Field(0.0, ge=0, le=2)
    flip: bool = False
    rotate: float = Field(0.0, ge=0, le=180)
    zoom: float = Field(0.0, ge=0, lt=1)
    shift: float = Field(0.0, ge=0, lt=1)
    upside_down: _Share = 0.0
    styles: _Share = 0.0
    swap: _Share = 0.35
    levels: bool = False
    seed: int = Field(0, ge=0, lt=2**31)


class PaintConfig(StrictConfig):
    """What is added for each training image of the healthy class.

    This many of each per image, on average; a fraction applies to a part of the images. Every
    version is painted separately.

    Attributes:
        lesions: Copies with a painted lesion of unknown kind: every class except the healthy one
            counts as correct.
        decoys: Copies with the side effects of painting but no lesion; they stay healthy.
        copies: Copies without any painting, but with their own versions; they stay healthy.
    """

    lesions: _PerImage = 0.0
    decoys: _PerImage = 0.0
    copies: _PerImage = 0.0


class TrainConfig(StrictConfig):
    """The recipe.

    Attributes:
        epochs: Passes over the training images, at most.
        batch_size: Images per step.
        learning_rate: Adam's step size at its highest.
        schedule: `constant`, or `cosine`: falling to zero at the last step.
        warmup_epochs: Epochs over which the step size rises from zero.
        weight_decay: Weight decay of AdamW; 0 is plain Adam.
        label_smoothing: Share of a label's weight that is spread over all classes.
        class_weights: Weight of the images of rare classes: `none` gives all the same, `balanced`
            the inverse of the class's frequency, `square_root` the inverse of its root. A painted
            lesion counts in equal parts for each class that it may be.
        mixup: Images are mixed in pairs with a share drawn from Beta(this, this); 0 mixes none.
            Mixed are the activations below the layers that train (Verma et al., "Manifold Mixup",
            2019).
        average: Momentum of the moving average of the trained weights, step by step. The average is
            evaluated after each epoch and is the result of training; 0 averages nothing.
        patience: Training stops if the loss on eval has not fallen for this many epochs; None
            trains to the end.
        keep_best: Whether the weights of the epoch with the lowest loss on eval are kept, rather
            than the last.
        augment: How training images are varied.
        healthy_class: The class without a tumour, for `paint` and `augment.swap`; null if there is
            none.
        paint: What is painted on its images.
        precision: Number format of the layers. `auto` uses mixed_float16 on a GPU, mixed_bfloat16
            if this processor has instructions for it and is measured to be faster with it, and
            otherwise float32. Weights are always float32.
        strategy: `none`, or `mirrored` for all GPUs of this machine.
        cache_gigabytes: Largest size on disk of the activations of frozen layers, in 10^9 bytes.
        seed: Seed of initial weights, order, dropout and mixing.
    """

    epochs: int = Field(5, ge=1)
    batch_size: int = Field(20, ge=1)
    learning_rate: _StepSize = 1e-4
    schedule: Literal["constant", "cosine"] = "cosine"
    warmup_epochs: float = Field(0.0, ge=0)
    weight_decay: float = Field(0.0, ge=0)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    class_weights: Literal["none", "balanced", "square_root"] = "none"
    mixup: float = Field(0.0, ge=0)
    average: float = Field(0.0, ge=0, lt=1)
    patience: int | None = Field(None, ge=1)
    keep_best: bool = False
    augment: AugmentConfig = AugmentConfig()
    healthy_class: str | None = "notumor"
    paint: PaintConfig = PaintConfig()
    precision: Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"] = "auto"
    strategy: Literal["none", "mirrored"] = "none"
    cache_gigabytes: float = Field(50.0, gt=0)
    seed: int = Field(0, ge=0, lt=2**31)


class ConfidenceConfig(StrictConfig):
    """When the model says that it does not know.

    Attributes:
        refer_below: Calibrated probability of the likeliest class below which the answer is "refer
            to a reader"; 0 refers nothing.
        foreign_deviations: How many standard deviations above the mean of eval's images, on a
            logarithmic scale, an image's distance from the training images must lie to be foreign.
        flagged_share: Largest share of the training images that may be beyond each limit for cut
            levels, blur and the share of the head. Beyond a limit, a reader must decide. 0 sets no
            limits.
    """

    refer_below: float = Field(0.7, ge=0, le=1)
    foreign_deviations: float = Field(4.0, gt=0)
    flagged_share: float = Field(0.01, ge=0, le=0.5)


class ExportConfig(StrictConfig):
    """The form of the network in the exported graph.

    Attributes:
        dtype: Number format of its layers. bfloat16 is for processors with instructions for it; on
            others it is slower. Weights, logits and probabilities are float32 in both cases.
    """

    dtype: Literal["float32", "bfloat16"] = "float32"


class TuneConfig(StrictConfig):
    """The search for a better recipe on the eval split, before training.

    Attributes:
        enabled: Whether there is a search.
        trials: Largest number of trainings; the first one is the recipe as it is.
        minutes: Minutes after which no further trial starts.
        learning_rate: Lowest and highest value; widened to include the recipe's.
        dropout: Lowest and highest value, for both dropouts; widened in the same way.
        dense_units: Widths of the hidden layer to choose from, in addition to the recipe's.
        trainable_convolutions: Depths to choose from, in addition to the recipe's. Each needs its
            own pass through the frozen layers.
    """

    enabled: bool = False
    trials: int = Field(8, ge=1)
    minutes: float = Field(12.0, gt=0)
    learning_rate: tuple[_StepSize, _StepSize] = (3e-5, 1e-3)
    dropout: tuple[_Dropout, _Dropout] = (0.1, 0.6)
    dense_units: tuple[_Width, ...] = (64, 128, 256)
    trainable_convolutions: tuple[_Depth, ...] = (0,)

    @model_validator(mode="after")
    def _check_bounds(self) -> "TuneConfig":
        for name in ("learning_rate", "dropout"):
            lowest, highest = getattr(self, name)
            if lowest >= highest:
                raise ValueError(f"{name}: the least value must lie below the greatest")
        return self


class Recipe(StrictConfig):
    """All that a trained network depends on but the images.

    Attributes:
        model: The network.
        train: How it is trained.
        transform: What was done to the pixels before.
        classes: Names in the order of ingest's class index.
    """

    model: ModelConfig
    train: TrainConfig
    transform: TransformConfig
    classes: tuple[str, ...]

    def with_values(self, values: Mapping[str, Any]) -> "Recipe":
        """Changes single settings.

        Args:
            values: By path, such as `train.learning_rate`.

        Returns:
            The changed recipe.

        Raises:
            PipelineError: There is no such setting, or it cannot have this value.
        """
        fields = self.model_dump()
        for path, value in values.items():
            section, _, name = path.partition(".")
            if section not in ("model", "train") or name not in fields[section]:
                raise UsageError(f"The hyperparameters name {path!r}, which is not a setting.")
            fields[section][name] = value
        try:
            return Recipe.model_validate(fields)
        except ValidationError as error:
            said = refusals(error, Recipe)
            raise UsageError(f"The hyperparameters cannot be used: {said}") from error


class Training(StrictConfig):
    """What the graph tells the Trainer and the Tuner, each the part that it uses.

    Attributes:
        recipe: What is trained, and how.
        cache: A folder for features, and for what an interrupted training goes on from.
        tune: The Tuner's search.
        confidence: When the Trainer's model says that it does not know.
        export: The form of the network that the Trainer exports.
        code: A digest of the source that does it.
    """

    recipe: Recipe
    cache: Path
    tune: TuneConfig = TuneConfig()
    confidence: ConfidenceConfig = ConfidenceConfig()
    export: ExportConfig = ExportConfig()
    code: str = ""
