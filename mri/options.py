"""What several commands share: flags, and the settings that flags of a run stand for."""

import json
from pathlib import Path
from typing import Annotated

import typer

from pipeline.environment import METADATA_VARIABLE
from pipeline.paths import demand_text

Work = Annotated[
    Path, typer.Option("--work", help="The folder that holds everything a run writes.")
]
Metadata = Annotated[
    str | None,
    typer.Option(
        envvar=METADATA_VARIABLE,
        metavar="URL",
        help="postgresql:// or mysql://USER:PASSWORD@HOST:PORT/DATABASE; default: SQLite in "
        "--work.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Reason = Annotated[str, typer.Option(help="Why; kept with the model.")]

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
Weights = Annotated[Path | None, typer.Option(help="VGG16 weights file; default: ImageNet's.")]
Tune = Annotated[
    bool, typer.Option("--tune", help="Look for a better recipe on eval before training.")
]
AcceptAnomalies = Annotated[
    str | None,
    typer.Option(metavar="NAME,...", help="Findings that the gate lets pass, with --reason."),
]
AcceptReason = Annotated[
    str, typer.Option("--reason", help="Why they are accepted; kept in the metadata.")
]
Parameters = Annotated[
    list[str] | None,
    typer.Option("--param", metavar="NAME=VALUE", help="A parameter that the file declares."),
]


def run_settings(
    settings: list[str] | None,
    *,
    data: Path | None = None,
    span: int | None = None,
    labels: Path | None = None,
    weights: Path | None = None,
    tune: bool = False,
    accept_anomalies: str | None = None,
    reason: str = "",
) -> list[str]:
    """Puts what the flags of a run say behind what --set says.

    Args:
        settings: `KEY=VALUE` pairs.
        data: `data`.
        span: `ingest.span`.
        labels: `ingest.labels`.
        weights: `model.weights`.
        tune: Whether `tune.enabled` is set.
        accept_anomalies: `accept_anomalies`, with commas between.
        reason: `accept_reason`.

    Returns:
        `KEY=VALUE` pairs for `load_config`; paths are absolute in them.

    Raises:
        PipelineError: A path is not UTF-8.
    """
    pairs = list(settings or ())
    for key, path in (("data", data), ("ingest.labels", labels), ("model.weights", weights)):
        if path is not None:
            demand_text(path.absolute(), f"path for {key}")
            pairs.append(f"{key}={quoted(str(path.absolute()))}")
    if span is not None:
        pairs.append(f"ingest.span={span}")
    if tune:
        pairs.append("tune.enabled=true")
    if accept_anomalies is not None:
        names = [name.strip() for name in accept_anomalies.split(",") if name.strip()]
        pairs += [f"accept_anomalies={quoted(names)}", f"accept_reason={quoted(reason)}"]
    return pairs


def quoted(value: str | list[str]) -> str:
    """Writes a value for `--set`.

    Args:
        value: Text or texts, whatever is in them.

    Returns:
        YAML in one line of ASCII. JSON is not always YAML: of a character beyond 16 bits it writes
        two halves.
    """
    written = json.dumps(value, ensure_ascii=False)
    return "".join(one if " " <= one <= "~" else f"\\U{ord(one):08x}" for one in written)
