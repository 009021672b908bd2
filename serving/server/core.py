"""The models that are served: their configuration, folders, versions and labels.

The rules for folders are those of `file_system_storage_path_source.cc` in tensorflow/serving, but
a file is no version, and a model whose base path is missing keeps no other from being looked at.
In a bucket a version is there when its graph is, which comes last.
"""

import asyncio
import logging
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from components.bucket import BucketError, BucketFolder
from components.bucket_versions import BucketVersion, list_versions
from components.errors import PipelineError
from components.servable import SAVED_MODEL_FILE
from serving.server.configuration import ServedModelConfig, read_model_configs
from serving.server.errors import Code, StatusError, invalid_argument
from serving.server.lifecycle import Lifecycle, Version

log = logging.getLogger(__name__)


class ReplacedError(StatusError):
    """A configuration that was taken, and gave way to a later one before its models were there."""


class ServerCore:
    """Knows the models, looks at their folders, and finds the version that a request means.

    A new label may name a version that is not available only if `allow_labels_for_unavailable`.
    """

    def __init__(self, lifecycle: Lifecycle, *, allow_labels_for_unavailable: bool = False) -> None:
        self.lifecycle = lifecycle
        self._allow_labels_for_unavailable = allow_labels_for_unavailable
        self.models: dict[str, ServedModelConfig] = {}
        self._labels: dict[str, dict[str, int]] = {}
        self._reloading = asyncio.Lock()

    async def reload(self, models: Mapping[str, ServedModelConfig]) -> None:
        """Replaces the configuration and waits until its new models are available.

        The labels of models that are there already come first: where one is refused, all stays as
        it was, and one that moves has left its version before that is unloaded.

        A StatusError: a model did not become available, or a label names a version that is not.
        A ReplacedError: another configuration came while the models were loaded.
        """
        async with self._reloading:
            new = set(models) - set(self.models)
            gone = set(self.models) - set(models)
            self._labels = self._checked_labels(models, set(models) - new)
            self.models = models = dict(models)
            for name in models:
                self.lifecycle.expect(name)
            for name in gone:
                self.lifecycle.set_aspired(name, {})
            await self.poll()
        # Outside of the lock: a model that never loads must not keep a better configuration out.
        failed = await self.lifecycle.settled(new)
        if self.models is not models:
            raise ReplacedError(Code.ABORTED, "A later configuration has replaced this one.")
        self._labels |= self._checked_labels(models, new)
        if failed:
            whys = "".join(
                f"{{{{name: {version.name} version: {version.number}}}"
                f" due to error: {error.code.name}: {error}}}, "
                for version in failed
                if (error := version.error)
            )
            raise StatusError(
                Code.UNKNOWN, f"{len(failed)} model(s) did not become available: {{{whys}}}"
            )

    async def poll(self) -> None:
        """Looks at the base paths once; one that cannot be looked at keeps no other from it."""
        for name, model in self.models.items():
            try:
                wanted = await asyncio.to_thread(aspired_versions, model)
            except Exception as error:  # noqa: BLE001  (whatever it is, the others are next)
                log.error("%s cannot be looked at: %s", model.base_path, error)
                wanted = None
            if wanted is not None and self.models.get(name) is model:
                self.lifecycle.set_aspired(name, wanted)
            elif wanted is None:
                self.lifecycle.missing(name)

    async def watch(self, seconds: float) -> None:
        """Looks at the base paths again and again."""
        while True:
            await asyncio.sleep(seconds)
            await self.poll()

    async def watch_config(
        self, path: Path, seconds: float, known: Mapping[str, ServedModelConfig]
    ) -> None:
        """Reads the configuration file again and again, and takes what differs from `known`.

        What was refused is tried again: a label may be free of what kept it, a moment later.
        """
        said = ""
        while True:
            try:
                models = await asyncio.to_thread(read_model_configs, path)
                if models != known:
                    await self.reload(models)
                    known = models
                said = ""
            except ReplacedError:
                known = models
            except (OSError, PipelineError, StatusError) as error:
                if str(error) != said:
                    said = str(error)
                    log.error("The models' configuration stays as it is: %s", said)
            await asyncio.sleep(seconds)

    async def version(self, spec: Any) -> Version:
        """The version that a ModelSpec means, or an error; waits for a model's first load."""
        if not spec.name:
            raise invalid_argument("ModelSpec has no name specified.")
        await self.lifecycle.tried(spec.name)
        number = self._number(spec)
        found = self.lifecycle.find(spec.name, number)
        if found is None:
            asked = f"Latest({spec.name})" if number is None else f"Specific({spec.name}, {number})"
            raise StatusError(Code.NOT_FOUND, f"Servable not found for request: {asked}")
        return found

    def status(self, spec: Any) -> list[Version]:
        """The versions whose status a ModelSpec asks for, or an error if there are none."""
        number = self._number(spec)
        known = self.lifecycle.versions(spec.name)
        versions = [version for version in known if number in (None, version.number)]
        if not versions:
            what = "any versions" if number is None else f"version {number}"
            raise StatusError(Code.NOT_FOUND, f"Could not find {what} of model {spec.name}")
        return versions

    def _number(self, spec: Any) -> int | None:
        choice = spec.WhichOneof("version_choice")
        if choice != "version_label":
            return spec.version.value if choice else None
        labels = self._labels.get(spec.name, {})
        if spec.version_label not in labels:
            raise invalid_argument(f"Unrecognized servable version label: {spec.version_label}")
        return labels[spec.version_label]

    def _checked_labels(
        self, models: Mapping[str, ServedModelConfig], names: set[str]
    ) -> dict[str, dict[str, int]]:
        for name in sorted(names):
            for label, number in models[name].labels.items():
                old = self._labels.get(name, {}).get(label, number)
                free = self._allow_labels_for_unavailable and old == number
                if not free and self.lifecycle.find(name, number) is None:
                    raise StatusError(
                        Code.FAILED_PRECONDITION,
                        f"Request to assign label to version {number} of model {name},"
                        " which is not currently available for inference",
                    )
        return {name: dict(models[name].labels) for name in names}


def aspired_versions(
    model: ServedModelConfig,
) -> Mapping[int, Path] | Mapping[int, BucketVersion] | None:
    """The version folders of a model that should be served now, by number.

    None where the base path cannot be read, which changes nothing: it may be away for a moment.
    """
    base = model.base_path
    if isinstance(base, BucketFolder):
        try:
            return _wanted(model, _in_bucket(base))
        except BucketError as error:
            log.warning("Could not find base path of servable %s: %s", model.name, error)
            return None
    try:
        return _wanted(model, [(one.name, one) for one in sorted(base.iterdir()) if one.is_dir()])
    except OSError:
        log.warning("Could not find base path %s for servable %s", base, model.name)
        return None


_Place = TypeVar("_Place", Path, BucketVersion)


def _in_bucket(base: BucketFolder) -> list[tuple[str, BucketVersion]]:
    found = sorted(list_versions(base).items())
    for name, version in found:
        if not version.whole and _is_number(name):
            log.warning("%s/%s has no %s (yet): it is not served", base, name, SAVED_MODEL_FILE)
    return [(name, version) for name, version in found if version.whole]


def _wanted(model: ServedModelConfig, children: Iterable[tuple[str, _Place]]) -> dict[int, _Place]:
    versions: dict[int, _Place] = {}
    for name, child in children:
        if not _is_number(name):
            continue
        number = int(name)  # leading zeros count for nothing
        if not -(2**63) <= number < 2**63:
            continue
        if number in versions:
            log.warning("Version %d is both %s and %s", number, versions[number], child)
        versions[number] = child
    policy, wanted = model.policy, set(versions)
    if policy.specific is not None:
        wanted &= set(policy.specific)
    elif policy.latest:
        wanted = set(sorted(versions)[-policy.latest :])
    if not wanted:
        log.warning(
            "No versions of servable %s found under base path %s", model.name, model.base_path
        )
    return {number: versions[number] for number in versions if number in wanted}


def _is_number(name: str) -> bool:
    return re.fullmatch(r"[+-]?[0-9]{1,32}", name) is not None
