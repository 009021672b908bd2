"""`mri models`: which there are, what each is, and what people decide about them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from components.disclaimer import DISCLAIMER
from components.errors import PipelineError
from components.push.versions import pushed_versions
from pipeline.decision import approve, reject, roll_back
from pipeline.metadata import open_records
from pipeline.registry import Model, find_model, read_models
from pipeline.work import Work


def list_models(
    console: Console, root: Path, *, metadata_url: str | None = None, as_json: bool = False
) -> None:
    """Prints all models, the newest first.

    Args:
        console: Where to.
        root: The work folder.
        metadata_url: PostgreSQL for ML Metadata, or None.
        as_json: Whether to print JSON.
    """
    work = Work(root)
    models = read_models(open_records(metadata_url, work))
    described = [dict(_describe(work, model)) for model in reversed(models)]
    if as_json:
        console.file.write(json.dumps(described, indent=2) + "\n")
        return
    table = Table()
    for heading in ("run", "versions", "state", "accuracy", "sensitivity", "data"):
        right = heading in ("accuracy", "sensitivity")
        table.add_column(
            heading,
            justify="right" if right else "left",
            overflow="fold",
            no_wrap=heading in ("run", "versions"),
        )
    for one in described:
        table.add_row(
            one["run"],
            ", ".join(one["versions"]),
            one["state"],
            _number(one["accuracy"]),
            _number(one["tumour_sensitivity"]),
            one["data"],
        )
    console.print(table if described else "There is no model yet: run `mri run` first.")


def show_model(
    console: Console,
    root: Path,
    name: str | None,
    *,
    metadata_url: str | None = None,
    as_json: bool = False,
) -> None:
    """Prints all that is known of a model.

    Args:
        console: Where to.
        root: The work folder.
        name: A run, the start of one, or a version; None for the newest.
        metadata_url: PostgreSQL for ML Metadata, or None.
        as_json: Whether to print JSON.

    Raises:
        PipelineError: There is no such model.
    """
    work = Work(root)
    model = find_model(read_models(open_records(metadata_url, work)), name)
    described = dict(_describe(work, model))
    if as_json:
        console.file.write(json.dumps(described, indent=2) + "\n")
        return
    for key, value in described.items():
        lines = value if isinstance(value, list) else [value]
        for index, line in enumerate(lines or [""]):
            words = _number(line) if isinstance(line, float) else str("" if line is None else line)
            title = key.replace("_", " ") if index == 0 else ""
            console.print(f"{title:<20} {words}", soft_wrap=True, markup=False)
    console.print(f"[dim]{DISCLAIMER}[/]")


def decide(
    console: Console,
    root: Path,
    name: str | None,
    decision: str,
    reason: str,
    *,
    metadata_url: str | None = None,
) -> None:
    """Carries out a person's decision, and says what came of it.

    Args:
        console: Where to.
        root: The work folder.
        name: A run, the start of one, or a version; None for the model that was served before, of
            those that nobody has decided against.
        decision: `approve`, `reject` or `rollback`.
        reason: Why.
        metadata_url: PostgreSQL for ML Metadata, or None.

    Raises:
        PipelineError: It cannot be carried out.
    """
    work = Work(root)
    store = open_records(metadata_url, work)
    with work.exclusively():
        models = read_models(store)
        if decision == "rollback":
            model = find_model(models, name) if name else _served_before(work, models)
            base = work.serving / model.pipeline
            beside = [one for one in models if one.pipeline == model.pipeline]
            later = [one for one in beside if _is_served(work, one)]
            version = roll_back(store, work, base, model, reason, later)
        else:
            model = find_model(models, name)
            base = work.serving / model.pipeline
            if decision == "reject":
                reject(store, work, model, reason)
                console.file.write(f"rejected the model of run {model.run}; nothing was pushed\n")
                return
            version = approve(store, work, base, model, reason)
    console.file.write(f"pushed the model of run {model.run} as {base / version}\n")


def _served(work: Work, model: Model) -> str | None:
    versions = pushed_versions(work.serving / model.pipeline)
    return str(versions[-1]) if versions else None


def _is_served(work: Work, model: Model) -> bool:
    return _served(work, model) in model.versions


def _served_before(work: Work, models: list[Model]) -> Model:
    """The model with the highest version but for what is served and what was decided against."""
    earlier = [
        model
        for model in models
        if _is_there(work, model) and not model.withdrawn and not _is_served(work, model)
    ]
    if not earlier:
        raise PipelineError(
            "There is no earlier model to go back to that nobody has decided against; `mri models "
            "list` shows all, and `mri models rollback VERSION` goes back to any that was served."
        )
    pipelines = sorted({model.pipeline for model in earlier})
    if len(pipelines) > 1:
        raise PipelineError(
            f"There are earlier models of {' and '.join(pipelines)}: say which with "
            "`mri models rollback VERSION`; `mri models list` shows all."
        )
    return max(earlier, key=lambda model: int(model.versions[-1]))


def _is_there(work: Work, model: Model) -> bool:
    base = work.serving / model.pipeline
    return any((base / version).is_dir() for version in model.versions)


def _describe(work: Work, model: Model) -> Iterator[tuple[str, Any]]:
    card = model.card
    yield "run", model.run
    yield "state", model.state(_served(work, model))
    yield "trained", model.made.strftime("%Y-%m-%d %H:%M:%S UTC")
    yield "versions", list(model.versions)
    yield "blessed", model.blessed
    yield "withdrawn", model.withdrawn
    for name in ("accuracy", "tumour_sensitivity", "tumour_specificity", "ece"):
        yield name, model.figure(name)
    yield "data", f"{card.lineage.data} ({card.lineage.policy})" if card else "unknown"
    yield "data_fingerprint", card.lineage.data_fingerprint if card else None
    yield "code", f"{card.lineage.code_version}, {card.lineage.code_digest}" if card else None
    yield "reasons", list(card.reasons) if card else []
    yield (
        "decisions",
        [f"{one.time}: {one.decision}. {one.reason}" for one in model.decisions],
    )
    yield "runs", list(model.runs)
    yield "model", model.artifact.uri
    yield "report", model.report.uri if model.report else None


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
