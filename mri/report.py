"""`mri report`: where a model's report is, its figures, and two models side by side."""

import json
import webbrowser
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from components.errors import PipelineError
from components.evaluate.checks import computable
from components.evaluate.config import EvaluateConfig
from components.evaluate.predictions.table import PREDICTIONS_FILE, PredictionTable
from components.evaluate.report.compare import compare_answers
from components.evaluate.report.figures import TITLES, Comparison, Figure, Figures
from components.evaluate.report.files import PAGE_FILE
from components.pages.numbers import fraction
from mri.options import AsJson, Metadata, WorkFolder, spread
from pipeline.metadata import open_records
from pipeline.paths import shorter
from pipeline.registry import Model, find_model, read_models
from pipeline.tables import print_table
from pipeline.work import Work

app = typer.Typer(add_completion=False)


@app.command(
    epilog="Examples:\n\n  mri report --open\n\n  mri report 2026-01-02 --json\n\n"
    "  mri report --compare 1795450816 1795460000"
)
@spread
def report(
    console: Console,
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN",
            help="A run's id, the beginning of one, or a version; default: the newest.",
        ),
    ] = None,
    work: WorkFolder = Path("work"),
    metadata: Metadata = None,
    open_page: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
    as_json: AsJson = False,
    compare: Annotated[
        tuple[str, str] | None, typer.Option(metavar="A B", help="Two models side by side.")
    ] = None,
) -> None:
    """Print the path of a model's report, or its figures."""
    models = read_models(open_records(metadata, Work(work.absolute())))
    if compare:
        first, second = (find_model(models, name) for name in compare)
        _compare(console, first, second, as_json=as_json)
        return
    folder = _folder(find_model(models, run))
    if as_json:
        console.file.write(Figures.read(folder).model_dump_json(indent=2) + "\n")
    else:
        console.file.write(f"{shorter(folder / PAGE_FILE)}\n")
    if open_page and not webbrowser.open((folder / PAGE_FILE).as_uri()):
        raise PipelineError(
            f"No browser could be opened: open {shorter(folder / PAGE_FILE)} by hand."
        )


def _folder(model: Model) -> Path:
    if model.report is None or not (Path(model.report.uri) / PAGE_FILE).is_file():
        raise PipelineError(
            f"There is no report on the model of run {model.run}: run the pipeline to its end."
        )
    return Path(model.report.uri)


def _compare(console: Console, first: Model, second: Model, *, as_json: bool) -> None:
    """Prints two models' headline figures, and on the same test images a paired test."""
    figures = [Figures.read(_folder(model)) for model in (first, second)]
    asked = _predictions(first), _predictions(second)
    comparison, missing = _paired(*asked, second.artifact.id, figures[0].healthy_class)
    unknown = " and ".join(
        model.run
        for model, one in zip((first, second), asked, strict=True)
        if one is not None and one.header.training_unknown
    )
    if as_json:
        content = {
            "models": [
                {"run": model.run, **one.model_dump(include={"headline"})}
                for model, one in zip((first, second), figures, strict=True)
            ],
            "comparison": comparison.model_dump() if comparison else None,
            "comparison_missing": missing,
            "training_unknown": unknown,
        }
        console.file.write(json.dumps(content, indent=2) + "\n")
        return
    table = Table(title="two models side by side", title_justify="left")
    for heading in ("", first.run, second.run, "difference", "p"):
        table.add_column(heading, justify="right" if heading else "left")
    for name in [*figures[0].headline, *(figures[1].headline.keys() - figures[0].headline.keys())]:
        table.add_row(
            TITLES.get(name, name),
            *(_words(one.headline.get(name)) for one in figures),
            *_difference(comparison, name),
        )
    print_table(console, table)
    if comparison is None:
        console.print(f"No paired test: {missing}.")
        return
    if comparison.set_aside:
        console.print(
            f"{comparison.set_aside}: difference and p are for the other {comparison.images:,}."
        )
    if unknown:
        console.print(
            f"It is not known which test images the model of {unknown} knows from its training, so "
            "difference and p may flatter it."
        )
    console.print(
        f"On the same test images; intervals and p by paired bootstrap over groups. McNemar: "
        f"{comparison.better} against {comparison.worse}, p = {comparison.mcnemar:.3g}."
    )


def _difference(comparison: Comparison | None, name: str) -> tuple[str, str]:
    if comparison is None or name not in comparison.differences:
        return "", ""
    p = comparison.p_values[name]
    return _words(comparison.differences[name]), "" if p is None else f"{p:.3g}"


def _words(figure: Figure | None) -> str:
    if figure is None or figure.value is None:
        return "not computable"
    if figure.low is None or figure.high is None:
        return fraction(figure.value)
    ends = f"{fraction(figure.low)} to {fraction(figure.high)}"
    return f"{fraction(figure.value)} ({ends})"


def _paired(
    one: PredictionTable | None, other: PredictionTable | None, other_id: int, healthy: str | None
) -> tuple[Comparison | None, str]:
    if one is None or other is None:
        return None, "the predictions of one model no longer exist"
    if one.classes != other.classes:
        return None, "they have different classes"
    if not computable(one) or not computable(other):
        return None, "figures of one cannot be computed"
    # In one order; copies of an image, which there may be, by their class.
    one, other = (table.only(np.lexsort((table.labels, table.sha256))) for table in (one, other))
    if not np.array_equal(one.sha256, other.sha256):
        return None, "they were not tested on the same images"
    new = ~(one.known_to_model | other.known_to_model)
    aside = f"{int((~new).sum()):,} of {len(new):,} test images match images that one of the two "
    aside += "models was trained on"
    if int(new.sum()) < min(len(new), EvaluateConfig().min_compared):
        return None, f"{aside}, and the others are too few"
    comparison = compare_answers(
        one.only(new), other.probabilities[new], other_id, EvaluateConfig().resamples, healthy
    )
    return comparison.model_copy(update={"set_aside": "" if new.all() else aside}), ""


def _predictions(model: Model) -> PredictionTable | None:
    if model.predictions is None:
        return None
    folder = Path(model.predictions.uri)
    return PredictionTable.read(folder) if (folder / PREDICTIONS_FILE).is_file() else None
