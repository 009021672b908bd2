"""The configuration: one typed object, presets as YAML files, any field settable by its path."""

import json
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from pydantic import Field, StringConstraints, ValidationError, model_validator

from components.bucket import URI
from components.errors import UsageError
from components.evaluate.config import EvaluateConfig
from components.evaluate.report.config import CardConfig
from components.gate.config import FindingName, GateConfig
from components.ingest.config import IngestConfig
from components.push.pushed import Push
from components.robustness.config import RobustnessConfig
from components.servable import MODEL_NAME
from components.serve_check.config import ServeCheckConfig
from components.strict_config import GivenPath, StrictConfig
from components.trainer.config import (
    ConfidenceConfig,
    ExportConfig,
    ModelConfig,
    TrainConfig,
    TuneConfig,
)
from components.transform.config import TransformConfig
from components.validation import nearest_name, refusals
from components.yaml_text import YamlTextError, parse_yaml, read_mapping_of
from pipeline.beam_config import BeamConfig
from pipeline.tracking_config import TrackingUri

BucketUri = Annotated[str, StringConstraints(pattern=URI)]
"""A folder in a bucket, `s3://BUCKET/FOLDER`."""

Setting: TypeAlias = tuple[str, Any]
"""A field's path, such as `train.epochs`, and its value."""


class SampleConfig(StrictConfig):
    """The synthetic images that are made if no data folder is given.

    Attributes:
        per_class: Training images of each class; a quarter as many test images are added.
        seed: The same seed gives the same images.
    """

    per_class: int = Field(160, ge=4)
    seed: int = 0


class Config(StrictConfig):
    """Everything that can be chosen about a run.

    Attributes:
        name: The pipeline's and the served model's name.
        data: Folder of class folders, or `s3://BUCKET/FOLDER`. Without it, the synthetic sample is
            generated and used.
        sample: The synthetic sample.
        ingest: How images become splits.
        gate: Which data stops a run.
        accept_anomalies: Findings of the gate that a person accepts for this run.
        accept_reason: Why.
        transform: Preprocessing.
        model: The network.
        train: The recipe.
        tune: The search for a better one.
        confidence: When the model says that it does not know.
        export: The form of the network that is served.
        robustness: The check whether the model looks at the tumour.
        evaluate: What a model must achieve to be blessed.
        card: What only you know about the model, for its card.
        push: `auto` serves a blessed model at once, `after_review` only after a person has approved
            it.
        bucket: `s3://BUCKET/FOLDER` that also holds all versions in `serving/`, as `NAME/VERSION`;
            default: the last one that was named, if any; docs/s3.md.
        tracking_uri: Address of an MLflow server that shows all runs; docs/tracking.md.
        serve_check: The server in which a candidate is tested, and its limits.
        bulk_inference: Whether TFX's BulkInferrer runs a blessed model on the test split.
        cache: Whether a component whose inputs have not changed is answered from its earlier
            outputs.
        beam: Where Apache Beam's work is done, of every component that uses it.
    """

    name: str = Field(MODEL_NAME, pattern=r"^[a-z][a-z0-9_]*$")
    data: BucketUri | GivenPath | None = Field(None, union_mode="left_to_right")
    sample: SampleConfig = SampleConfig()
    ingest: IngestConfig = IngestConfig()
    gate: GateConfig = GateConfig()
    accept_anomalies: tuple[FindingName, ...] = ()
    accept_reason: str = ""
    transform: TransformConfig = TransformConfig()
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()
    tune: TuneConfig = TuneConfig()
    confidence: ConfidenceConfig = ConfidenceConfig()
    export: ExportConfig = ExportConfig()
    robustness: RobustnessConfig = RobustnessConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    card: CardConfig = CardConfig()
    push: Push = "auto"
    bucket: BucketUri | None = None
    tracking_uri: TrackingUri | None = None
    serve_check: ServeCheckConfig = ServeCheckConfig()
    bulk_inference: bool = False
    cache: bool = True
    beam: BeamConfig = BeamConfig()

    @model_validator(mode="after")
    def _acceptance_has_a_reason(self) -> "Config":
        if self.accept_anomalies and not self.accept_reason.strip():
            raise ValueError(
                "--accept-anomalies (accept_anomalies) needs --reason TEXT (accept_reason): why "
                "the data may be used anyway"
            )
        return self


def preset_names() -> list[str]:
    """Names of the presets that come with the package."""
    return sorted(
        file.name.removesuffix(".yaml")
        for file in resources.files("pipeline.presets").iterdir()
        if file.name.endswith(".yaml")
    )


def load_config(preset: str, settings: Iterable[Setting] = ()) -> Config:
    """Builds the configuration of a run.

    Args:
        preset: A preset's name, or the path of a YAML file.
        settings: What is set over it; of two values for a field the later one counts.

    Returns:
        The validated configuration.

    Raises:
        UsageError: The preset does not exist, or a key or value is refused.
    """
    return override(_read_preset(preset), settings, f"Preset {preset}")


def override(fields: dict[str, Any], settings: Iterable[Setting], source: str) -> Config:
    """Sets values over given ones, and validates the whole.

    Args:
        fields: The given values, section in section; changed in place.
        settings: What is set over them.
        source: What an error's message begins with.

    Returns:
        The validated configuration.

    Raises:
        UsageError: A key or value is refused.
    """
    for path, value in settings:
        _set(fields, path, value)
    try:
        return Config.model_validate(fields)
    except ValidationError as error:
        raise UsageError(f"{source}: {refusals(error, Config)}") from error


def parse_setting(text: str) -> Setting:
    """Reads what a person wrote behind `--set`.

    Args:
        text: `PATH=VALUE`, as in `train.epochs=8`; the value is YAML.

    Returns:
        The path and the value.

    Raises:
        UsageError: It is of another form.
    """
    path, equals, value = text.partition("=")
    if not equals or not path:
        raise UsageError(f"--set {text!r} is not of the form KEY=VALUE, as in train.epochs=8.")
    try:
        return path, parse_yaml(value)
    except YamlTextError as error:
        why = str(error).removeprefix(", line 1")
        raise UsageError(f"The value of --set {text!r} is not valid YAML{why}") from error


def tuned_settings(path: Path) -> list[Setting]:
    """Reads what a Tuner found.

    Args:
        path: Its `best_hyperparameters` folder, or the file in it.

    Returns:
        What `load_config` sets.

    Raises:
        UsageError: There are no hyperparameters there.
    """
    file = path / "best_hyperparameters.txt" if path.is_dir() else path
    try:
        return list(json.loads(file.read_text(encoding="utf-8"))["values"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{path} holds no hyperparameters: give the best_hyperparameters folder of a Tuner's "
            "run, as in work/artifacts/Tuner/best_hyperparameters/ID."
        ) from error


def _read_preset(preset: str) -> dict[str, Any]:
    if preset.endswith((".yaml", ".yml")):
        source = Path(preset)
    elif preset in preset_names():
        source = Path(str(resources.files("pipeline.presets") / f"{preset}.yaml"))
    else:
        raise UsageError(
            f"There is no preset {preset!r}{nearest_name(preset, preset_names())} Give the name of "
            "a preset or the path of a .yaml file."
        )
    return read_mapping(source, "preset")


def read_mapping(path: Path, what: str) -> dict[str, Any]:
    """Reads keys and values from a YAML file.

    Args:
        path: The file; an empty one has none.
        what: What it is, for messages.

    Returns:
        The values by key.

    Raises:
        UsageError: It cannot be read, or holds something else.
    """
    try:
        return read_mapping_of(path)
    except YamlTextError as error:
        raise UsageError(f"The {what} {path}{error}") from error


def _set(fields: dict[str, Any], path: str, value: Any) -> None:
    *sections, last = path.split(".")
    for section in sections:
        fields = fields.setdefault(section, {})
        if not isinstance(fields, dict):
            raise UsageError(f"--set {f'{path}={value}'!r}: {section!r} is a value, not a section.")
    fields[last] = value
