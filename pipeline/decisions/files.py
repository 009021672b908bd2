"""The folders that a decision gives their names: a version of the model, and its own card."""

import shutil
from pathlib import Path

from components.errors import PipelineError
from components.evaluate.report.card import CARD_JSON, Decision, ModelCard
from components.push.extras import Origin, add_extras
from components.push.pushed import describe
from components.push.versions import remove_staged, stage, staged, unstage
from pipeline.decisions.journal import PUSHED
from pipeline.registry import Model
from pipeline.work import Work


def prepare(work: Work, model: Model, decision: Decision, destination: Path | None) -> None:
    """Makes the folders under names that nobody reads.

    Args:
        work: The work folder.
        model: The model.
        decision: What is decided about it.
        destination: The version's folder, where it is pushed.

    Raises:
        OSError: They cannot be written.
        PipelineError: The model or its report is gone.
    """
    report = report_of(model)
    card = ModelCard.read(report).validated(model.validations)
    # Of a decision that is written down already the model's records tell, too.
    before = [one for one in model.decisions if one != decision]
    card = card.model_copy(update={"changelog": (*card.changelog, *before)}).decided(decision)
    if destination is not None and not destination.exists():
        origin = Origin(model.artifact.id, made=model.artifact.create_time_since_epoch)
        extras = add_extras(card, report, origin)
        stage(_source(destination.parent, model), destination, extras)
    folder = _prepared(work)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    card.write(folder)
    describe(folder, destination, decision.version)


def folder_of(work: Work, decision_id: int) -> Path:
    """Where a decision's card lies.

    Args:
        work: The work folder.
        decision_id: The decision's execution.

    Returns:
        The folder.
    """
    return work.artifacts / "Decision" / PUSHED / str(decision_id)


def are_there(work: Work, decision_id: int, destination: Path | None) -> bool:
    """Whether nothing of what was prepared is lost."""
    return all(
        made.exists() or name.exists() for made, name in _names(work, decision_id, destination)
    )


def give_names(work: Work, decision_id: int, destination: Path | None) -> None:
    """Gives what was prepared its names, unless it has them already.

    Args:
        work: The work folder.
        decision_id: The decision's execution.
        destination: The version's folder, where the model is pushed.

    Raises:
        OSError: It cannot be.
    """
    for made, name in _names(work, decision_id, destination):
        if not name.exists():
            made.rename(name)


def take_back(work: Work, decision_id: int, destination: Path | None) -> None:
    """Takes the names away again, and removes what had them: nobody reads half a removed folder.

    Args:
        work: The work folder.
        decision_id: The decision's execution.
        destination: The version's folder, where the model is pushed.

    Raises:
        OSError: A name cannot be taken away.
    """
    for made, name in _names(work, decision_id, destination):
        shutil.rmtree(made, ignore_errors=True)
        if name.exists():
            name.rename(made)
            shutil.rmtree(made, ignore_errors=True)


def needed_by(destination: Path | None) -> list[Path]:
    """Where what is prepared for a decision lies, beside the versions that are served.

    Args:
        destination: The version's folder, where the model is pushed.

    Returns:
        The folder, if there is one.
    """
    return [] if destination is None else [staged(destination)]


def remove_prepared(work: Work, destination: Path | None = None) -> None:
    """Removes what was prepared and is not needed.

    Args:
        work: The work folder, held so that nobody else decides or pushes there.
        destination: The version's folder, where no other is meant.
    """
    shutil.rmtree(_prepared(work), ignore_errors=True)
    if destination is not None:
        unstage(destination)
        return
    for base in work.serving.glob("*"):
        remove_staged(base)


def report_of(model: Model) -> Path:
    """The folder of the report that a model is decided about from.

    Args:
        model: The model.

    Returns:
        The folder.

    Raises:
        PipelineError: It is gone.
    """
    if model.report is None or not (Path(model.report.uri) / CARD_JSON).is_file():
        raise PipelineError(
            f"The report of run {model.run} no longer exists, so a decision cannot be based on it: "
            "run the pipeline again."
        )
    return Path(model.report.uri)


def _names(work: Work, decision_id: int, destination: Path | None) -> list[tuple[Path, Path]]:
    """What was prepared, and what it is to be called."""
    names = [(_prepared(work), folder_of(work, decision_id))]
    if destination is not None:
        names.append((staged(destination), destination))
    return names


def _prepared(work: Work) -> Path:
    return staged(folder_of(work, 0))


def _source(base: Path, model: Model) -> Path:
    copies = [base / version for version in reversed(model.versions)]
    for folder in (model.saved_model, *copies):
        if folder.is_dir():
            return folder
    raise PipelineError(f"The files of the model of run {model.run} are gone.")
