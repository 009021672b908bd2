"""`mri clean`: removes what old and killed runs left in the work folder."""

import math
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import ml_metadata as mlmd
import typer
from ml_metadata.errors import StatusError
from ml_metadata.proto import metadata_store_pb2 as pb
from rich.console import Console
from rich.table import Table

from components.counted import counted
from components.errors import PipelineError, UsageError
from mri.options import Metadata, WorkFolder, spread
from pipeline.database import connect, connection_config
from pipeline.decisions.decide import finish_what_was_cut_off
from pipeline.decisions.files import needed_by
from pipeline.decisions.journal import unfinished
from pipeline.exit_code import ExitCode
from pipeline.lineage import Lineage, Run, read_lineage
from pipeline.metadata import SUCCESSFUL, close, run_executions
from pipeline.orphans import remove_orphans
from pipeline.registry import Model, read_models
from pipeline.removal import Removal
from pipeline.retention import kept_artifacts
from pipeline.tables import print_table
from pipeline.work import Work

app = typer.Typer(add_completion=False)

_CACHES = {
    "features": "cached features",
    "training": "states of trainings",
    "tuning": "states of searches",
}


@app.command(
    epilog="Examples:\n\n  mri clean --keep 10 --dry-run\n\n  mri clean --keep 10 --work work"
)
@spread
def clean(
    console: Console,
    keep: Annotated[
        int, typer.Option(min=0, metavar="N", help="Keep everything that the N newest runs used.")
    ],
    work: WorkFolder = Path("work"),
    metadata: Metadata = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be removed, without removing it.")
    ] = False,
) -> None:
    """Remove what old runs left; models that are served, wait or were blessed last stay."""
    folder = Work(work.absolute())
    say = partial(console.print, markup=False, soft_wrap=True)
    if not folder.root.is_dir():
        raise UsageError(f"There is no work folder {folder.root}: name it with --work.")
    with folder.shared() if dry_run else folder.exclusively():
        recorded = metadata is not None or folder.metadata.exists()
        removal, needed = Removal(folder.root, (), dry_run), []
        if recorded:
            store = connect(connection_config(metadata, folder))
            if not dry_run:
                finish_what_was_cut_off(store, folder, say)
            removal = _clean(store, folder, keep, dry_run=dry_run)
            decided = unfinished(store, folder)
            needed = [path for entry in decided for path in needed_by(entry.destination)]
        remove_orphans(folder, removal, needed)
    if not recorded and not removal.freed and not removal.failures:
        say(f"No run was recorded in {folder.root}, so there is nothing to remove.")
        return
    _print(console, removal)
    if removal.failures:
        raise typer.Exit(ExitCode.FAILED)


def _clean(store: mlmd.MetadataStore, work: Work, keep: int, *, dry_run: bool) -> Removal:
    lineage = read_lineage(store)
    models = read_models(store)
    runs = [run for run in lineage.runs if _is_here(lineage, work, run)]
    cut = max(len(runs) - keep, 0)
    old, newest = runs[:cut], runs[cut:]
    kept = kept_artifacts(lineage, newest, models, set(_served(work, models)))
    protected = {Path(lineage.artifacts[identity].uri) for identity in kept}
    removal = Removal(work.root, protected, dry_run)
    going = [
        artifact
        for identity, artifact in sorted(lineage.artifacts.items())
        if identity not in kept
        and work.artifacts in Path(artifact.uri).parents
        and removal.allows(Path(artifact.uri))
    ]
    # In ML Metadata first: a folder that is half removed must never be an answer from cache.
    if not dry_run:
        _mark_deleted(store, going)
    for artifact in going:
        removal.remove(artifact.type, Path(artifact.uri))
    if old:
        start = newest[0].started / 1000 if newest else math.inf
        _remove_leavings(store, work, lineage, old, newest, removal)
        _remove_unused(work, start, removal)
        _remove_run_folders(work, old, newest, start, removal)
    return removal


def _is_here(lineage: Lineage, work: Work, run: Run) -> bool:
    """Whether a run wrote to this work folder: several may share one database."""
    return (work.runs / run.name).is_dir() or any(
        work.artifacts in Path(lineage.artifacts[identity].uri).parents
        for identity in lineage.used_by(run.executions, output=True)
    )


def _served(work: Work, models: Sequence[Model]) -> Iterator[int]:
    for model in models:
        base = work.serving / model.pipeline
        # A decision that was cut off is finished before anything is removed.
        decided = model.unfinished is not None and model.unfinished.version is not None
        if decided or any((base / version).is_dir() for version in model.versions):
            yield model.artifact.id


def _mark_deleted(store: mlmd.MetadataStore, artifacts: Sequence[pb.Artifact]) -> None:
    changed = [artifact for artifact in artifacts if artifact.state != pb.Artifact.DELETED]
    for artifact in changed:
        artifact.state = pb.Artifact.DELETED
    try:
        store.put_artifacts(changed)
    except StatusError as error:
        raise PipelineError(
            f"The metadata database cannot be written ({error}), so nothing was removed."
        ) from error


def _remove_leavings(
    store: mlmd.MetadataStore,
    work: Work,
    lineage: Lineage,
    old: Sequence[Run],
    newest: Sequence[Run],
    removal: Removal,
) -> None:
    """Removes what nodes left that did not come to their end, and closes those left open."""
    current = {execution for run in newest for execution in run.executions}
    for run in old:
        failed = [
            identity
            for identity in run.executions - current
            if lineage.executions[identity].last_known_state not in SUCCESSFUL
        ]
        for node, execution in run_executions(store, run.name) if failed else ():
            if execution.id not in failed:
                continue
            if not removal.dry_run:
                close(store, execution)
            for path in sorted(work.artifacts.glob(f"{node}/**/{execution.id}")):
                if removal.allows(path):
                    removal.remove("leftovers of failed nodes", path)


def _remove_unused(work: Work, start: float, removal: Removal) -> None:
    """Removes what no kept run can have used: using it would have changed its time.

    Caches are that, and what TFX wrote beside a node's outputs: `.system/KIND/EXECUTION`.
    """
    places = {work.cache / name: kind for name, kind in _CACHES.items()}
    for node in _folders(work.artifacts, removal):
        places |= dict.fromkeys(_folders(node / ".system", removal), "working folders of nodes")
    for place, kind in places.items():
        for folder in _folders(place, removal):
            if _changed(folder) < start and removal.allows(folder):
                removal.remove(kind, folder, at_once=True)


def _remove_run_folders(
    work: Work, old: Sequence[Run], newest: Sequence[Run], start: float, removal: Removal
) -> None:
    """Removes old runs' folders, and those of runs that never came to their first node."""
    names = {run.name for run in old}
    current = {run.name for run in newest}
    for folder in _folders(work.runs, removal):
        came_to_nothing = folder.name not in current and _begun(folder.name) < start
        if (folder.name in names or came_to_nothing) and removal.allows(folder):
            removal.remove("run folders", folder)


def _folders(parent: Path, removal: Removal) -> list[Path]:
    try:
        return sorted(path for path in parent.iterdir() if path.is_dir())
    except FileNotFoundError:
        return []
    except OSError as error:
        removal.fail(error, parent)
        return []


def _changed(folder: Path) -> float:
    try:
        content = list(folder.iterdir())
    except OSError:
        content = []  # that it cannot be read is told when it is to be removed
    return max(path.lstat().st_mtime for path in (folder, *content))


def _begun(name: str) -> float:
    """The second since 1970 that a run's folder is named after; never, for other folders."""
    try:
        return datetime.strptime(name, "%Y-%m-%dT%H-%M-%S.%f").timestamp()
    except ValueError:
        return math.inf


def _print(console: Console, removal: Removal) -> None:
    if removal.freed:
        table = Table("kind")
        table.add_column("entries", justify="right")
        table.add_column("bytes", justify="right")
        for kind, freed in sorted(removal.freed.items()):
            table.add_row(kind, f"{freed.count:,}", f"{freed.size:,}")
        count = sum(freed.count for freed in removal.freed.values())
        total = sum(freed.size for freed in removal.freed.values())
        table.add_section()
        table.add_row("all", f"{count:,}", f"{total:,}")
        print_table(console, table)
        said = "would be freed; nothing was removed" if removal.dry_run else "freed"
        console.print(f"{counted(total, 'byte')} {said}")
    elif not removal.failures:
        console.print("There is nothing to remove.")
    lines = [f"left alone, behind a symbolic link: {path}" for path in removal.links]
    lines += [f"could not be removed: {failure}" for failure in removal.failures]
    if removal.failures:
        lines.append("Correct the permissions, and run `mri clean` again for the rest.")
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
