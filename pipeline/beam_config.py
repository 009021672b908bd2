"""The section of the configuration that says where Apache Beam's work is done."""

from typing import Annotated, Any

from pydantic import StringConstraints, field_validator, model_validator

from components.strict_config import StrictConfig
from pipeline.engines import Engine, parse_engine

BeamOption = Annotated[str, StringConstraints(pattern=r"^--[A-Za-z][\w-]*(=.+)?$")]
"""As in `--direct_num_workers=2`: a name and its value in one."""


class BeamConfig(StrictConfig):
    """Where Apache Beam's work is done. A list in its place is all options that Beam gets.

    Attributes:
        runner: The engine: `local`, `local?workers=2`, `flink://HOST:8081`, `spark://HOST:7077` or
            `dataflow://PROJECT/REGION?temp=gs://BUCKET/FOLDER&image=IMAGE`; docs/scale.md. Null:
            `options` say it.
        options: Options that Apache Beam gets besides, such as `--parallelism=2`.
    """

    runner: str | None = "local"
    options: tuple[BeamOption, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _list_is_all(cls, given: Any) -> Any:
        return {"runner": None, "options": given} if isinstance(given, list | tuple) else given

    @field_validator("runner")
    @classmethod
    def _engine_exists(cls, runner: str | None) -> str | None:
        if runner is not None:
            parse_engine(runner)
        return runner

    @model_validator(mode="after")
    def _one_runner(self) -> "BeamConfig":
        if self.runner and any(option.startswith("--runner") for option in self.options):
            raise ValueError(
                "beam.runner and --runner in beam.options name two engines; name one, or give all "
                "of Beam's options as a list: beam=[...]"
            )
        return self

    @property
    def engine(self) -> Engine | None:
        """The engine that is named; None where Beam's own options name one."""
        return parse_engine(self.runner) if self.runner else None

    @property
    def arguments(self) -> tuple[str, ...]:
        """All options that Beam gets."""
        return (*(self.engine.beam_options() if self.engine else ()), *self.options)
