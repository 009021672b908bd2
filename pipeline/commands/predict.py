"""`mri predict`: results as bars in the terminal, as JSON, or as a picture."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from components.disclaimer import DISCLAIMER
from components.errors import PipelineError
from components.whole_file import whole_file
from imaging.config import ONE_PICTURE
from imaging.reader import read_file
from pipeline.config import Config
from pipeline.paths import printable
from pipeline.predict import FilePrediction, Predictor
from pipeline.server_predict import ServerPredictor
from pipeline.terminal import libraries_to


def classify(
    images: Sequence[Path],
    model: Path | None,
    work: Path,
    *,
    as_json: bool,
    figure: Path | None,
    server: str | None = None,
    token: str | None = None,
    ca: Path | None = None,
) -> bool:
    """Classifies images and shows the results.

    Args:
        images: Files of any format that `imaging.reader` knows.
        model: As `pipeline.predict.find_saved_model` takes it; of a server, the model's name.
        work: The work folder.
        as_json: Print JSON instead of bars.
        figure: Where to write a picture of the results, or None.
        server: Address of a model server to ask instead, or None.
        token: A bearer token for it, or None.
        ca: PEM file of the authorities that vouch for it, or None.

    Returns:
        Whether every image could be classified.

    Raises:
        PipelineError: There is no model, or the picture cannot be written.
    """
    with libraries_to(Path(os.devnull)) as console:
        if server is not None:
            with ServerPredictor(server, str(model or Config().name), token, ca) as asked:
                predictions = [asked(image) for image in images]
            source, name = server, f"at {server}"
        else:
            predictor = Predictor.load(model, work=work)
            predictions = [predictor(image) for image in images]
            source, name = str(predictor.path), predictor.path.name
        if as_json:
            console.print(_as_json(source, predictions), markup=False, soft_wrap=True)
        else:
            for prediction in predictions:
                _print_bars(prediction, console)
            console.print(f"model {name}. {DISCLAIMER}", style="dim", markup=False)
        if figure is not None:
            _draw(predictions, figure)
    return all(prediction.error is None for prediction in predictions)


def _as_json(model: str, predictions: Sequence[FilePrediction]) -> str:
    return json.dumps(
        {
            "model": model,
            "notice": DISCLAIMER,
            "predictions": [
                {**asdict(prediction), "image": str(prediction.image)} for prediction in predictions
            ],
        },
        indent=2,
    )


def _print_bars(prediction: FilePrediction, console: Console) -> None:
    name = printable(str(prediction.image))
    console.print(name, style="bold", markup=False, soft_wrap=True)
    if prediction.probabilities is None:
        console.print(f"  {prediction.error}", style="red", markup=False)
        return
    if prediction.doubt is not None:
        console.print(f"  {prediction.doubt}", style="yellow", markup=False)
    table = Table.grid(padding=(0, 1))
    ranked = sorted(prediction.probabilities.items(), key=lambda item: -item[1])
    for label, probability in ranked:
        style = "bold" if label == prediction.label else "dim"
        bar = ProgressBar(total=1.0, completed=probability, width=32)
        table.add_row(Text(f"  {label}"), bar, f"{probability:6.1%}", style=style)
    console.print(table)


def _draw(predictions: Sequence[FilePrediction], path: Path) -> None:
    from matplotlib.figure import Figure

    drawn = [prediction for prediction in predictions if prediction.probabilities is not None]
    if not drawn:
        raise PipelineError("No image could be classified, so there is no figure to draw.")
    figure = Figure(figsize=(8, 2.8 * len(drawn)), layout="constrained")
    figure.supxlabel(DISCLAIMER, fontsize=8, color="dimgrey")
    rows = figure.subplots(len(drawn), 2, squeeze=False, width_ratios=(1, 1.4))
    for (picture, bars), prediction in zip(rows, drawn, strict=True):
        picture.imshow(read_file(prediction.image, ONE_PICTURE).images[0].pixels)
        picture.set_axis_off()
        # Of a name with two dollar signs matplotlib would make a formula.
        picture.set_title(printable(prediction.image.name), fontsize=9, parse_math=False)
        probabilities = prediction.probabilities or {}
        colours = ["#0b6e99" if name == prediction.label else "#c7d3da" for name in probabilities]
        drawing = bars.barh(list(probabilities), list(probabilities.values()), color=colours)
        bars.bar_label(drawing, fmt="{:.1%}", padding=3, fontsize=9)
        bars.set_xlim(0, 1.15)
        bars.invert_yaxis()
        bars.set_xticks([])
        bars.spines[["top", "right", "bottom"]].set_visible(False)
        title = f"{prediction.label}, {prediction.confidence:.1%}"
        bars.set_title(title, fontsize=11, parse_math=False)
        bars.set_xlabel(prediction.doubt or "", fontsize=9, color="#b00020")
    try:
        with whole_file(path) as file:
            figure.savefig(file, dpi=150, format=path.suffix.lstrip(".") or "png")
    except (OSError, ValueError) as error:
        raise PipelineError(f"The figure {path} cannot be written: {error}.") from error
