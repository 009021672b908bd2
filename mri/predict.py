"""`mri predict`: results as bars in the terminal, as JSON, or as a picture."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from components.disclaimer import DISCLAIMER
from components.errors import PipelineError, UsageError, path_error
from components.servable import MODEL_NAME
from components.whole_file import whole_file
from imaging.reader import decode
from mri.classified import Classified
from mri.options import AsJson, WorkFolder, spread
from mri.served import find_saved_model
from mri.server_predictor import ask_server
from pipeline.exit_code import ExitCode
from pipeline.paths import printable
from serving.client import (
    Client,
    EncodedImage,
    ImageError,
    in_words,
    open_frames,
    prepare_image,
)

app = typer.Typer(add_completion=False)


class _Read(NamedTuple):
    """What is judged.

    Attributes:
        file: Which of the files it is from; one may be named twice.
        path: That file.
        image: A frame of it, or why it is none.
    """

    file: int
    path: str
    image: EncodedImage | ImageError


@app.command(
    epilog="Examples:\n\n  mri predict scan.jpg\n\n  mri predict --json *.png > results.json\n\n"
    "  mri predict scan.jpg --figure result.png\n\n"
    "  mri predict scan.dcm --server https://mri.example.org --label canary\n\n"
    "  mri predict volume.nii.gz --frame 40\n\n"
    "Exit codes: 0 every image was classified; 1 the command failed, or an image could not be "
    "classified; 2 usage."
)
@spread
def predict(
    console: Console,
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMAGE",
            help="JPEG, PNG, GIF, BMP, TIFF, WebP, JPEG 2000, DICOM or NIfTI files.",
        ),
    ],
    work: WorkFolder = Path("work"),
    model: Annotated[
        Path | None,
        typer.Option(
            help="A pushed model's name, or a SavedModel; default: the only pushed model. With "
            "--server, the name of the served model."
        ),
    ] = None,
    version: Annotated[
        int | None, typer.Option(min=0, help="The model's version; default: the newest.")
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="With --server, the label of the version to ask.")
    ] = None,
    frame: Annotated[
        str,
        typer.Option(
            metavar="N",
            help="Which frame or slice of a file to classify: a number, counted from 0; middle; or "
            "all, with one answer for the file first.",
        ),
    ] = "all",
    as_json: AsJson = False,
    figure: Annotated[
        Path | None, typer.Option(help="Write a picture with each image beside its result.")
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Ask the model server at this address: HOST:PORT (gRPC or REST), "
            "grpcs://HOST:PORT or https://HOST.",
        ),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="MRI_SERVER_TOKEN",
            show_envvar=True,
            help="Bearer token for the proxy in front of the server.",
        ),
    ] = None,
    ca: Annotated[
        Path | None, typer.Option(help="PEM file with the certificates to trust.")
    ] = None,
) -> None:
    """Classify images with the pushed model, or with a model server."""
    if not re.fullmatch("middle|all|[0-9]{1,9}", frame):
        raise UsageError(f"--frame takes a number from 0, middle or all, not {frame!r}.")
    if server is not None:
        source, name = server, f"at {server}"
        name_of_model = str(model or MODEL_NAME)
        with Client(
            server, model=name_of_model, version=version, label=label, token=token, ca=ca
        ) as client:
            read = _read(images, frame)
            answers = ask_server(client, server, _sent(read))
            frames = _answered(read, answers)
    else:
        if label is not None:
            raise UsageError("--label needs --server: only a server knows labels.")
        saved_model = find_saved_model(model, work, version)
        from mri.predictor import classify_image, load_saved_model

        loaded = load_saved_model(saved_model)
        source, name = str(saved_model), saved_model.name
        read = _read(images, frame)
        answers = (classify_image(loaded, path, image) for path, image in _sent(read))
        frames = _answered(read, answers)
    predictions = _with_volumes(frames, read) if frame == "all" else frames
    if as_json:
        console.print(_as_json(source, predictions), markup=False, soft_wrap=True)
    else:
        for prediction in predictions:
            _print_bars(prediction, console)
        console.print(f"model {name}. {DISCLAIMER}", style="dim", markup=False)
    if figure is not None:
        _draw(frames, [one.image for one in read], figure)
    if any(prediction.error is not None for prediction in predictions):
        raise typer.Exit(ExitCode.FAILED)


def _read(paths: Sequence[Path], frame: str) -> list[_Read]:
    read = []
    for file, path in enumerate(paths):
        try:
            found: Iterable[EncodedImage | ImageError]
            if frame == "middle":
                found = [prepare_image(path)]
            else:
                found = open_frames(path, None if frame == "all" else int(frame))
            read += [_Read(file, str(path), image) for image in found]
        except ImageError as error:
            read.append(_Read(file, str(path), error))
    return read


def _sent(read: Sequence[_Read]) -> list[tuple[str, EncodedImage]]:
    return [(path, image) for _, path, image in read if isinstance(image, EncodedImage)]


def _answered(read: Sequence[_Read], answers: Iterator[Classified]) -> list[Classified]:
    return [
        next(answers)
        if isinstance(image, EncodedImage)
        else Classified(path, image.frame, image.frames, error=str(image))
        for _, path, image in read
    ]


def _with_volumes(frames: Sequence[Classified], read: Sequence[_Read]) -> list[Classified]:
    """Puts the answer for a whole file before those for its frames."""
    answered: list[Classified] = []
    for _, group in groupby(zip(frames, read, strict=True), key=lambda one: one[1].file):
        rows, sources = zip(*group, strict=True)
        images = [one.image for one in sources]
        heads = [one.head if isinstance(one, EncodedImage) else 0.0 for one in images]
        whole = Classified.of_volume(rows, heads)
        answered += [*([whole] if whole else []), *rows]
    return answered


def _as_json(model: str, predictions: Sequence[Classified]) -> str:
    return json.dumps(
        {
            "model": model,
            "notice": DISCLAIMER,
            "predictions": [
                {"image": fields.pop("path"), **fields} for fields in map(asdict, predictions)
            ],
        },
        indent=2,
    )


def _print_bars(prediction: Classified, console: Console) -> None:
    name = f"{printable(prediction.path)}{_frame(prediction)}"
    console.print(name, style="bold", markup=False, soft_wrap=True)
    if prediction.probabilities is None:
        console.print(f"  {prediction.error}", style="red", markup=False)
        return
    if prediction.slices is not None:
        console.print(f"  {in_words(prediction.slices)}", style="dim", markup=False)
    if prediction.doubt is not None:
        console.print(f"  {prediction.doubt}", style="yellow", markup=False)
    if prediction.possible is not None:
        console.print(f"  {prediction.possible}", style="dim", markup=False)
    table = Table.grid(padding=(0, 1))
    for label, probability in sorted(prediction.probabilities.items(), key=lambda one: -one[1]):
        style = "bold" if label == prediction.label else "dim"
        bar = ProgressBar(total=1.0, completed=probability, width=32)
        table.add_row(Text(f"  {label}"), bar, f"{probability:6.1%}", style=style)
    console.print(table)


def _frame(prediction: Classified) -> str:
    if prediction.frames in (None, 1):
        return ""
    if prediction.frame is None:
        return f", {prediction.frames} frames together"
    return f", frame {prediction.frame} of 0 to {(prediction.frames or 1) - 1}"


def _draw(
    predictions: Sequence[Classified], images: Sequence[EncodedImage | ImageError], path: Path
) -> None:
    drawn = [
        (prediction, image)
        for prediction, image in zip(predictions, images, strict=True)
        if isinstance(image, EncodedImage) and prediction.probabilities is not None
    ]
    if not drawn:
        raise PipelineError("No image could be classified, so no picture was written.")
    figure = Figure(figsize=(8, 2.8 * len(drawn)), layout="constrained")
    figure.supxlabel(DISCLAIMER, fontsize=8, color="dimgrey")
    rows = figure.subplots(len(drawn), 2, squeeze=False, width_ratios=(1, 1.4))
    for (picture, bars), (prediction, image) in zip(rows, drawn, strict=True):
        picture.imshow(decode(image.content))
        picture.set_axis_off()
        # Of a name with two dollar signs matplotlib would make a formula.
        name = f"{printable(Path(prediction.path).name)}{_frame(prediction)}"
        picture.set_title(name, fontsize=9, parse_math=False)
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
    except OSError as error:
        raise path_error(error)(f"The figure {path} cannot be written: {error}.") from error
    except ValueError as error:  # a format that is not known
        raise UsageError(f"The figure {path} cannot be written: {error}.") from error
