"""Flags of the commands that start runs, and the settings that they stand for."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from components.bucket import BucketFolder, is_uri
from pipeline.config import Config, Setting, load_config, parse_setting
from pipeline.paths import demand_text

Preset = Annotated[
    str, typer.Option(help="sample, best, notebook, ci, or the path of a YAML file.")
]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a setting.")
]
Data = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDER",
        help="Folder with Training/CLASS and Testing/CLASS, or CLASS folders alone; may be "
        "s3://BUCKET/FOLDER.",
    ),
]
Span = Annotated[
    int | None, typer.Option(min=0, help="Read this span-NNN folder; default: the newest.")
]
Labels = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="CSV file that replaces class folders: path, patient or study, then label and "
        "optionally split.",
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
        typer.Option(metavar="NAME,...", help="Findings of the gate to accept; needs --reason."),
    ] = None
    reason: Annotated[
        str, typer.Option("--reason", help="Why the findings are accepted; kept in the metadata.")
    ] = ""
    beam: Annotated[
        str | None,
        typer.Option(
            metavar="ENGINE",
            help="Where Apache Beam's work is done: local, local?workers=2, flink://HOST:8081, "
            "spark://HOST:7077 or dataflow://PROJECT/REGION; see docs/scale.md; default: local.",
        ),
    ] = None
    tune: Annotated[
        bool,
        typer.Option(
            "--tune", help="Search for a better recipe on the eval split before training."
        ),
    ] = False

    def config(
        self,
        *,
        data: Path | str | None = None,
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
            UsageError: The preset does not exist, or a setting is refused.
            PipelineError: A path is not UTF-8.
        """
        given = [parse_setting(text) for text in self.settings or ()]
        flags: dict[str, Any] = {"ingest.span": span, "tune.enabled": self.tune or None}
        if is_uri(data):
            flags["data"] = str(BucketFolder.of(str(data)))
            data = None
        if self.beam is not None:
            flags["beam"] = {"runner": self.beam}
        paths = {"data": data, "ingest.labels": labels, "model.weights": self.weights}
        for key, named in paths.items():
            if named is not None:
                path = Path(named).absolute()
                demand_text(path, f"path for {key}")
                flags[key] = path
        if self.accept_anomalies is not None:
            names = (name.strip() for name in self.accept_anomalies.split(","))
            flags["accept_anomalies"] = tuple(name for name in names if name)
            flags["accept_reason"] = self.reason
        told = [(key, value) for key, value in flags.items() if value is not None]
        return load_config(self.preset, [*tuned, *given, *told])

    def words(self, **more: object) -> list[str]:
        """The flags as they are written on a command line.

        Args:
            more: Values of further flags of `mri run`; None: not given.
        """
        given = {
            "preset": self.preset,
            "weights": self.weights and self.weights.absolute(),
            "accept-anomalies": self.accept_anomalies,
            "reason": self.reason or None,
            "beam": self.beam,
            **more,
        }
        words = [f"--{name}={value}" for name, value in given.items() if value is not None]
        words += [f"--set={text}" for text in self.settings or ()]
        return [*words, "--tune"] if self.tune else words
