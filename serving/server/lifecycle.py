"""The life of versions: loading, serving, unloading, so that a model is never without one.

The policy is TensorFlow Serving's AvailabilityPreservingPolicy: a version that is no longer wanted
is unloaded only when a wanted one is ready, and only after the last request in it has ended.
All state belongs to the event loop's thread; only loading and unloading leave it.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import TypeAlias

from components.bucket_versions import BucketVersion
from serving.server.errors import Code, StatusError, as_status_error
from serving.server.servable import Servable

log = logging.getLogger(__name__)

Place: TypeAlias = Path | BucketVersion
"""Where a SavedModel is."""


class VersionState(IntEnum):
    """The states of ModelVersionStatus."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclass
class Version:
    """One version of a model, whose SavedModel is at `path`, here or in a bucket.

    `error` is why it ended, if it failed; `servable` is there while it can be used, and `users`
    counts the requests that run in it; `task` loads or unloads it.
    """

    name: str
    number: int
    path: Place
    aspired: bool = True
    state: VersionState = VersionState.START
    error: StatusError | None = None
    servable: Servable | None = None
    users: int = 0
    task: asyncio.Task[None] | None = None


class Lifecycle:
    """Loads and unloads versions as they are wanted.

    `load` loads and warms up a version, in one of `load_threads` threads. One that failed is tried
    `retries` times more, `retry_seconds` apart.
    """

    def __init__(
        self,
        load: Callable[[str, int, Place], Servable],
        retries: int = 5,
        retry_seconds: float = 60.0,
        load_threads: int = 1,
    ) -> None:
        self._load = load
        self._tries, self._retry_seconds = retries + 1, retry_seconds
        self._threads = ThreadPoolExecutor(max(load_threads, 1), "load")
        self._versions: dict[str, dict[int, Version]] = {}
        self._wanted: dict[str, Mapping[int, Place]] = {}
        self._changed = asyncio.Condition()
        self._tried: dict[str, asyncio.Event] = {}

    def set_aspired(self, name: str, wanted: Mapping[int, Place]) -> None:
        """Says which versions of a model are wanted from now on: their folders, by number.

        One that is being unloaded is loaded again when that has ended. So is one that failed where
        what a bucket holds of it has changed since.
        """
        versions = self._versions.setdefault(name, {})
        self._wanted[name] = dict(wanted)
        for number, version in versions.items():
            if version.aspired and number not in wanted:
                version.aspired = False
                self._cancel_load(version)
        for number in sorted(wanted, reverse=True):
            known = versions.get(number)
            loaded = (VersionState.AVAILABLE, VersionState.UNLOADING)
            mended = known is not None and known.error and known.path != wanted[number]
            if known is None or mended or not (known.aspired or known.state in loaded):
                self._start(name, number)
            elif known.state is not VersionState.UNLOADING:
                known.aspired = True
        if not wanted:
            self.expect(name).set()
        self._unload_unwanted(name)

    def versions(self, name: str) -> list[Version]:
        """Every version of a model that there is or was, the highest first."""
        known = self._versions.get(name, {})
        return [known[number] for number in sorted(known, reverse=True)]

    def find(self, name: str, number: int | None) -> Version | None:
        """The version that answers: the given one, or the highest that is ready."""
        ready = (v for v in self._available(name) if number in (None, v.number))
        return next(ready, None)

    @contextmanager
    def use(self, version: Version) -> Iterator[Servable]:
        """Keeps a version from being unloaded."""
        assert version.servable is not None
        version.users += 1
        try:
            yield version.servable
        finally:
            self.release(version)

    def release(self, version: Version) -> None:
        """Ends one use of a version; the last one lets it be unloaded."""
        version.users -= 1
        self._close_unused(version)

    async def tried(self, name: str) -> None:
        """Waits until the first load of a model has ended, well or not.

        TensorFlow Serving takes no request before; this server answers other questions already.
        """
        if event := self._tried.get(name):
            await event.wait()

    def expect(self, name: str) -> asyncio.Event:
        """Says that a model will come, so that requests wait until this is set."""
        return self._tried.setdefault(name, asyncio.Event())

    def missing(self, name: str) -> None:
        """Says that a model's base path is not there, so that nobody waits for its first load."""
        if not self._versions.get(name):
            self.expect(name).set()

    async def settled(self, names: set[str]) -> list[Version]:
        """Waits until each model has an available version or only failed ones: returns those."""
        async with self._changed:
            await self._changed.wait_for(lambda: all(map(self._is_settled, names)))
        return [
            version
            for name in sorted(names)
            if self.find(name, None) is None
            for version in self.versions(name)
            if version.error
        ]

    @property
    def busy(self) -> bool:
        """Whether any request is in flight."""
        return any(v.users for versions in self._versions.values() for v in versions.values())

    async def close(self) -> None:
        """Ends all loads and frees all models."""
        self._wanted.clear()
        versions = [one for known in self._versions.values() for one in known.values()]
        for version in versions:
            self._cancel_load(version)
        self._threads.shutdown(wait=False, cancel_futures=True)
        for version in versions:
            if version.task and version.state is VersionState.UNLOADING:
                await version.task

    def _available(self, name: str) -> list[Version]:
        return [v for v in self.versions(name) if v.state is VersionState.AVAILABLE]

    def _is_settled(self, name: str) -> bool:
        wanted = self._wanted.get(name, {})
        return self.find(name, None) is not None or (
            self.expect(name).is_set()
            and all(v.state is VersionState.END for v in self.versions(name) if v.number in wanted)
        )

    def _start(self, name: str, number: int) -> None:
        self.expect(name)
        version = Version(name, number, self._wanted[name][number])
        self._versions[name][number] = version
        version.task = asyncio.create_task(self._bring_up(version))

    def _cancel_load(self, version: Version) -> None:
        if version.task and version.state < VersionState.AVAILABLE:
            version.task.cancel()

    async def _bring_up(self, version: Version) -> None:
        version.state = VersionState.LOADING
        try:
            version.servable = await self._load_with_retries(version)
            version.state = VersionState.AVAILABLE
            log.info("Loaded %s version %d", version.name, version.number)
        except StatusError as error:
            version.error = error
        finally:
            if version.servable is None:
                version.state = VersionState.END
            await self._tell(version.name)
        self._unload_unwanted(version.name)

    async def _load_with_retries(self, version: Version) -> Servable:
        error = StatusError(Code.CANCELLED, "The load was cancelled.")
        for attempt in range(self._tries):
            if attempt:
                await asyncio.sleep(self._retry_seconds)
            loading = self._threads.submit(self._load, version.name, version.number, version.path)
            try:
                return await asyncio.wrap_future(loading)
            except asyncio.CancelledError:
                # Wanted no longer; a load that has begun ends and is thrown away.
                loading.add_done_callback(_throw_away)
                raise
            except Exception as raised:  # noqa: BLE001  (what a damaged model raises is open)
                error = as_status_error(raised)
                what = f"Loading {version.name} version {version.number} failed"
                log.error("%s, try %d of %d: %s", what, attempt + 1, self._tries, error.message)
                await self._tell(version.name)
        raise error

    async def _tell(self, name: str) -> None:
        self.expect(name).set()
        async with self._changed:
            self._changed.notify_all()

    def _unload_unwanted(self, name: str) -> None:
        available = self._available(name)
        unwanted = [version for version in available if not version.aspired]
        if unwanted == available and self._wanted.get(name):
            unwanted = unwanted[1:]  # the highest goes on until a wanted version is ready
        for version in unwanted:
            version.state = VersionState.UNLOADING
            self._close_unused(version)

    def _close_unused(self, version: Version) -> None:
        servable = version.servable
        if version.users or version.state is not VersionState.UNLOADING or servable is None:
            return
        version.servable = None

        async def unload() -> None:
            await asyncio.to_thread(servable.close)
            version.state = VersionState.END
            log.info("Unloaded %s version %d", version.name, version.number)
            if version.number in self._wanted.get(version.name, {}):
                self._start(version.name, version.number)
            await self._tell(version.name)

        version.task = asyncio.create_task(unload())


def _throw_away(loaded: Future[Servable]) -> None:
    if not loaded.cancelled() and not loaded.exception():
        loaded.result().close()
