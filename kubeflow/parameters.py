"""What may be chosen when a compiled pipeline is run, rather than when it is compiled."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import get_type_hints

from components.bucket import is_uri
from pipeline.config import Config, override
from pipeline.work import Work

NEWEST = -1
"""The span that stands for the newest there is."""


@dataclass(frozen=True)
class RunParameters:
    """The values of a run's parameters; the fields' names are the parameters' names.

    Attributes:
        data: The data folder, absolute or below the shared storage, or `s3://BUCKET/FOLDER`; empty
            for the synthetic sample.
        span: The newest span to read; NEWEST for the newest there is.
        epochs: `train.epochs`.
        seed: `train.seed`.
        min_accuracy: `evaluate.min_accuracy`.
        push: `auto` or `after_review`.
        accept_anomalies: Findings of the data gate that are let pass, with commas between.
        accept_reason: Why.
    """

    data: str
    span: int
    epochs: int
    seed: int
    min_accuracy: float
    push: str
    accept_anomalies: str
    accept_reason: str

    @staticmethod
    def of(config: Config) -> "RunParameters":
        """What a configuration says, as the parameters' defaults."""
        return RunParameters(
            data=str(config.data or ""),
            span=NEWEST if config.ingest.span is None else config.ingest.span,
            epochs=config.train.epochs,
            seed=config.train.seed,
            min_accuracy=config.evaluate.min_accuracy,
            push=config.push,
            accept_anomalies=",".join(config.accept_anomalies),
            accept_reason=config.accept_reason,
        )

    def apply(self, config: str, work: Work) -> Config:
        """Puts the values into a configuration.

        Args:
            config: The compiled configuration, JSON.
            work: The shared storage.

        Returns:
            The configuration of the run, its data folder set.

        Raises:
            UsageError: A value is refused.
        """
        names = [name.strip() for name in self.accept_anomalies.split(",")]
        settings = {
            "data": self._data(work),
            "ingest.span": None if self.span == NEWEST else self.span,
            "train.epochs": self.epochs,
            "train.seed": self.seed,
            "evaluate.min_accuracy": self.min_accuracy,
            "push": self.push,
            "accept_anomalies": tuple(name for name in names if name),
            "accept_reason": self.accept_reason,
        }
        return override(json.loads(config), settings.items(), "The run's parameters")

    def _data(self, work: Work) -> Path | str:
        if is_uri(self.data):
            return self.data
        return work.root / self.data if self.data else work.sample


PARAMETERS: dict[str, type] = get_type_hints(RunParameters)
"""The types by name of what every task is told."""
