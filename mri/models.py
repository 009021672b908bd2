"""`mri models`: which there are, what each is, and what people decide about them."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from components.counted import counted
from components.disclaimer import DISCLAIMER
from components.errors import PipelineError, UsageError, path_error
from components.evaluate.report.card import CARD_JSON, ModelCard
from components.push.publishing import publish as publish_versions
from components.push.publishing import read_publication, set_bucket
from components.servable import EXTRAS
from components.signature import CERTIFICATE_VARIABLE, KEY_VARIABLE, Signer
from components.signature import verify as verify_version
from mri.options import AsJson, Metadata, WorkFolder, spread
from mri.served import find_saved_model, served_model, served_models
from pipeline.decisions.decide import decide as take_decision
from pipeline.decisions.decide import served_version
from pipeline.metadata import open_records
from pipeline.paths import shorter
from pipeline.registry import Model, find_model, read_models
from pipeline.states import Event
from pipeline.tables import Listed, print_list
from pipeline.tracking.sending import track, tracking_uri
from pipeline.work import Work

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Show models, and decide which one is served."
)

Reason = Annotated[str, typer.Option(help="Why; kept with the model.")]
Waiting = Annotated[
    str, typer.Argument(metavar="RUN", help="A run's id, the beginning of one, or a version.")
]


_TITLES = {"ece": "calibration error"}


@app.command("list")
@spread
def list_models(
    console: Console,
    work: WorkFolder = Path("work"),
    metadata: Metadata = None,
    as_json: AsJson = False,
    wide: Annotated[
        bool, typer.Option("--wide", help="Show all columns, however long the lines become.")
    ] = False,
) -> None:
    """List all models: versions, state, figures, data."""
    folder = Work(work.absolute())
    models = read_models(open_records(metadata, folder))
    described = [dict(_describe(folder, model)) for model in reversed(models)]
    if as_json:
        console.file.write(json.dumps(described, indent=2) + "\n")
        return
    if described:
        columns = [
            Listed("run", [one["run"] for one in described]),
            Listed("state", [one["state"] for one in described]),
            Listed("versions", [", ".join(one["versions"]) for one in described]),
            Listed("accuracy", [_number(one["accuracy"]) for one in described], right=True),
            Listed(
                "sensitivity",
                [_number(one["tumour_sensitivity"]) for one in described],
                right=True,
            ),
            Listed("data", [one["data"] for one in described]),
        ]
        left_out = ("data", "sensitivity", "versions", "accuracy")
        print_list(console, columns, left_out, wide=wide)
    else:
        console.print("There is no model yet: run `mri run` first.")
    for name in served_models(folder.serving):
        if (publication := read_publication(folder.serving / name)) is not None:
            console.print(
                f"{name} is published to {publication.bucket}", soft_wrap=True, markup=False
            )
    for one in described:
        if one["unfinished"]:
            console.print(
                f"The model of run {one['run']} was {one['unfinished']}, but this was interrupted: "
                "the next decision, run or clean completes it.",
                soft_wrap=True,
            )


@app.command("show")
@spread
def show_model(
    console: Console,
    work: WorkFolder = Path("work"),
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN",
            help="A run's id, the beginning of one, or a version; default: the newest.",
        ),
    ] = None,
    metadata: Metadata = None,
    as_json: AsJson = False,
) -> None:
    """Show which data, code and run made a model, and what was decided about it."""
    folder = Work(work.absolute())
    model = find_model(read_models(open_records(metadata, folder)), name)
    described = dict(_describe(folder, model))
    if as_json:
        console.file.write(json.dumps(described, indent=2) + "\n")
        return
    for key, value in described.items():
        title = _TITLES.get(key, key.replace("_", " "))
        for line in (value or [None]) if isinstance(value, list) else [value]:
            console.print(f"{title:<20} {_words(key, line)}", soft_wrap=True, markup=False)
            title = ""
    console.print(f"[dim]{DISCLAIMER}[/]")


@app.command(epilog="Example:\n\n  mri models approve 2026-01-02 --reason 'read the report'")
@spread
def approve(
    console: Console,
    run: Waiting,
    reason: Reason,
    work: WorkFolder = Path("work"),
    metadata: Metadata = None,
) -> None:
    """Push a blessed model that waits for review."""
    decide(console, work, run, Event.APPROVE, reason, metadata)


@app.command(epilog="Example:\n\n  mri models reject 2026-01-02 --reason 'misses small tumours'")
@spread
def reject(
    console: Console,
    run: Waiting,
    reason: Reason,
    work: WorkFolder = Path("work"),
    metadata: Metadata = None,
) -> None:
    """Reject a blessed model that waits for review; it is never pushed."""
    decide(console, work, run, Event.REJECT, reason, metadata)


@app.command(epilog="Example:\n\n  mri models rollback 1795450816 --reason 'complaints'")
@spread
def rollback(
    console: Console,
    reason: Reason,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="VERSION",
            help="A version or a run; default: the version before the served one.",
        ),
    ] = None,
    work: WorkFolder = Path("work"),
    metadata: Metadata = None,
) -> None:
    """Serve an earlier model again, as a new version."""
    decide(console, work, name, Event.ROLL_BACK_TO, reason, metadata)


@app.command(
    epilog="Examples:\n\n  mri models publish s3://hospital/models\n\n  mri models publish"
)
@spread
def publish(
    console: Console,
    bucket: Annotated[
        str | None,
        typer.Argument(
            metavar="s3://BUCKET/FOLDER",
            help="Bucket that gets a copy of all versions, now and of each later push; default: "
            "the bucket named before.",
        ),
    ] = None,
    work: WorkFolder = Path("work"),
    model: Annotated[
        str | None, typer.Option(help="Model name (default: the only model pushed).")
    ] = None,
) -> None:
    """Copy the pushed versions to a bucket; what is missing or damaged there is sent again."""
    folder = Work(work.absolute())
    base = served_model(folder.serving, model)
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        console.file.write(f"{line}\n")

    with folder.exclusively():
        if bucket is not None:
            set_bucket(base, bucket)
        publication = read_publication(base)
        if publication is None:
            raise UsageError(
                f"No bucket was named for {base.name} yet: `mri models publish s3://BUCKET/FOLDER`."
            )
        publish_versions(base, say)
    if not said:
        console.file.write(f"{publication.bucket} holds all versions already\n")


SavedModel = Annotated[
    Path | None,
    typer.Argument(
        metavar="MODEL",
        help="A model's name, or the folder of its versions or of one; default: the only one.",
    ),
]
Version = Annotated[int | None, typer.Option(help="The version; default: the newest.")]


@app.command(
    epilog="Examples:\n\n  mri models sign --key signer.pem\n\n"
    "  mri models sign --version 1795450816 --key signer.pem --certificate chain.pem"
)
@spread
def sign(
    console: Console,
    model: SavedModel = None,
    version: Version = None,
    key: Annotated[
        Path | None,
        typer.Option(help=f"Private key in PEM; default: {KEY_VARIABLE}."),
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option(help=f"Its certificate chain in PEM; default: {CERTIFICATE_VARIABLE}."),
    ] = None,
    work: WorkFolder = Path("work"),
) -> None:
    """Sign all files of a pushed version, in OpenSSF's model-signing format."""
    given = {KEY_VARIABLE: key, CERTIFICATE_VARIABLE: certificate}
    named = {name: str(path) for name, path in given.items() if path is not None}
    signer = Signer.from_environment({**os.environ, **named})
    if signer is None:
        raise UsageError(f"There is no key to sign with: give --key, or set {KEY_VARIABLE}.")
    folder = find_saved_model(model, work.absolute(), version)
    try:
        signer.sign(folder)
    except OSError as error:
        raise path_error(error)(f"{folder} cannot be signed: {error.strerror}.") from error
    console.print(f"{folder} is signed", soft_wrap=True, markup=False)


@app.command(
    epilog="Examples:\n\n  mri models verify --trusted signer.pub\n\n"
    "  mri models verify /models/brain_mri/1795450816 --trusted hospital-ca.pem"
)
@spread
def verify(
    console: Console,
    trusted: Annotated[
        Path,
        typer.Option(
            metavar="PEM", help="The signer's public key, or certificates of its authorities."
        ),
    ],
    model: SavedModel = None,
    version: Version = None,
    work: WorkFolder = Path("work"),
) -> None:
    """Check who signed a pushed version, and that none of its files has changed since."""
    folder = find_saved_model(model, work.absolute(), version)
    signed = verify_version(folder, trusted)
    lines = [
        f"{folder} is as it was signed",
        f"signed by {signed.by}",
        counted(signed.files, "file"),
    ]
    extras = folder / EXTRAS
    if (extras / CARD_JSON).is_file():
        lineage = ModelCard.read(extras).lineage
        lines += [
            f"data      {lineage.data_fingerprint}",
            f"code      {lineage.code_version}, {lineage.code_digest}",
        ]
    for line in lines:
        console.print(line, soft_wrap=True, markup=False)


def decide(
    console: Console,
    work: Path,
    name: str | None,
    decision: Event,
    reason: str,
    metadata: str | None = None,
) -> None:
    """Carries out a person's decision, and says what came of it.

    Args:
        console: Where to.
        work: The work folder.
        name: A run, the start of one, or a version; None for the model that was served before, of
            those that nobody has decided against.
        decision: What was decided.
        reason: Why.
        metadata: PostgreSQL for ML Metadata, or None.

    Raises:
        PipelineError: It cannot be carried out.
    """
    folder, uri = Work(work.absolute()), tracking_uri()
    store = open_records(metadata, folder)

    def say(line: str) -> None:
        console.file.write(f"{line}\n")
        console.file.flush()

    with folder.exclusively():
        take_decision(store, folder, decision, name, reason, say)
        try:
            _publish(folder, say)
        except PipelineError as error:
            raise PipelineError(
                f"The decision was carried out in {folder.serving}, but not yet in the bucket: "
                f"{error} When that is corrected, run `mri models publish`."
            ) from error
        track(store, folder, uri, say)


def _publish(work: Work, say: Callable[[str], None]) -> None:
    """Lets the buckets of all models follow."""
    for name in served_models(work.serving):
        publish_versions(work.serving / name, say)


def _describe(work: Work, model: Model) -> Iterator[tuple[str, Any]]:
    card = model.card
    yield "run", model.run
    yield "state", model.state(served_version(work, model)).value
    yield "trained", model.made.strftime("%Y-%m-%d %H:%M:%S UTC")
    yield "versions", list(model.versions)
    yield "blessed", model.standing.blessed
    yield "withdrawn", model.standing.withdrawn
    for name in ("accuracy", "tumour_sensitivity", "tumour_specificity", "ece"):
        yield name, model.figure(name)
    yield "data", f"{card.lineage.data} ({card.lineage.policy})" if card else "unknown"
    yield "data_fingerprint", card.lineage.data_fingerprint if card else None
    yield "code", f"{card.lineage.code_version}, {card.lineage.code_digest}" if card else None
    yield "recipe", list(_recipe(card)) if card else []
    refusal = [model.standing.refusal] if model.standing.refusal else []
    yield "reasons", [*(card.reasons if card else ()), *refusal]
    yield (
        "decisions",
        [f"{one.time}: {one.decision}. {one.reason}" for one in model.decisions],
    )
    yield "external", [one.words for one in model.validations]
    yield "unfinished", model.unfinished and model.unfinished.decision
    yield "runs", list(model.runs)
    yield "model", model.artifact.uri
    yield "report", model.report.uri if model.report else None


def _recipe(card: ModelCard) -> Iterator[str]:
    """The settings that a model was trained with."""
    for name, value in card.lineage.parameters.items():
        if name.startswith(("transform.", "model.", "train.")):
            yield f"{name}={value}" + (
                " (chosen by a search)" if name in card.lineage.tuned else ""
            )


def _words(key: str, value: Any) -> str:
    """A value as a person reads it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return _number(value)
    if key in ("model", "report") and value:
        return shorter(value)
    return "none" if value is None else str(value)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
