"""Flags of the commands that start runs, and the settings that they stand for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from pipeline.config import Config, Setting, load_config, parse_setting
from pipeline.paths import demand_text

Preset = Annotated[
    str, typer.Option(help="sample, best, notebook, ci, or the path of a YAML file.")
]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a setting.")
]
Data = Annotated[
    Path | None,
    typer.Option(help="Folder with Training/CLASS and Testing/CLASS, or CLASS folders alone."),
]
Span = Annotated[
    int | None, typer.Option(min=0, help="Read this span-NNN folder; default: the newest.")
]
Labels = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="CSV with the columns path, patient or study, and label, and perhaps split; instead "
        "of class folders.",
    ),
]


@dataclass(frozen=True)
class RunFlags:
    """What every command that starts runs takes."""

    preset: Preset = "sample"
    settings: Settings = None
    weights: Annotated[
        Path | None, typer.Option(help="VGG16 weights file; default: ImageNet's.")
    ] = None
    accept_anomalies: Annotated[
        str | None,
        typer.Option(metavar="NAME,...", help="Findings that the gate lets pass, with --reason."),
    ] = None
    reason: Annotated[
        str, typer.Option("--reason", help="Why they are accepted; kept in the metadata.")
    ] = ""
    tune: Annotated[
        bool, typer.Option("--tune", help="Look for a better recipe on eval before training.")
    ] = False

    def config(
        self,
        *,
        data: Path | None = None,
        span: int | None = None,
        labels: Path | None = None,
        tuned: Sequence[Setting] = (),
    ) -> Config:
        """The configuration of a run: the preset's, what a Tuner found, --set, the other flags.

        Args:
            data: `data`.
            span: `ingest.span`.
            labels: `ingest.labels`.
            tuned: What a Tuner found.

        Returns:
            The configuration; paths are absolute in it.

        Raises:
            ConfigError: The preset does not exist, or a setting is refused.
            PipelineError: A path is not UTF-8.
        """
        given = [parse_setting(text) for text in self.settings or ()]
        flags = self._settings(data, span, labels)
        return load_config(self.preset, [*tuned, *given, *flags])

    def _settings(
        self, data: Path | None, span: int | None, labels: Path | None
    ) -> Iterator[Setting]:
        paths = {"data": data, "ingest.labels": labels, "model.weights": self.weights}
        for key, path in paths.items():
            if path is not None:
                demand_text(path.absolute(), f"path for {key}")
                yield key, path.absolute()
        if span is not None:
            yield "ingest.span", span
        if self.tune:
            yield "tune.enabled", True
        if self.accept_anomalies is not None:
            names = (name.strip() for name in self.accept_anomalies.split(","))
            yield "accept_anomalies", tuple(name for name in names if name)
            yield "accept_reason", self.reason

    def words(self) -> list[str]:
        """The flags as they are written on a command line."""
        words = [f"--preset={self.preset}", *(f"--set={text}" for text in self.settings or ())]
        if self.weights is not None:
            words.append(f"--weights={self.weights.absolute()}")
        if self.tune:
            words.append("--tune")
        if self.accept_anomalies is not None:
            words += [f"--accept-anomalies={self.accept_anomalies}", f"--reason={self.reason}"]
        return words
