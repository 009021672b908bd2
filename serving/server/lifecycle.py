"""The life of versions: loading, serving, unloading, so that a model is never without one.

The policy is TensorFlow Serving's AvailabilityPreservingPolicy: a version that is no longer wanted
is unloaded only when a wanted one is ready, and only after the last request in it has ended.
All state belongs to the event loop's thread; only loading and unloading leave it.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from serving.server.errors import Code, StatusError, as_status_error
from serving.server.servable import Servable

log = logging.getLogger(__name__)


class VersionState(IntEnum):
    """The states of ModelVersionStatus."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


_LOADED = (VersionState.AVAILABLE, VersionState.UNLOADING)


@dataclass
class Version:
    """One version of a model and how it is.

    Attributes:
        name: The model's name.
        number: The version.
        path: The SavedModel's folder.
        aspired: Whether it is wanted.
        state: Where it is in its life.
        error: Why it ended, if it failed.
        servable: The loaded model, while it can be used.
        users: Requests that run in it.
    """

    name: str
    number: int
    path: Path
    aspired: bool = True
    state: VersionState = VersionState.START
    error: StatusError | None = None
    servable: Servable | None = None
    users: int = 0


class Lifecycle:
    """Loads and unloads versions as they are wanted."""

    def __init__(
        self,
        load: Callable[[str, int, Path], Servable],
        retries: int = 5,
        retry_seconds: float = 60.0,
        load_threads: int = 1,
    ) -> None:
        """Starts with no model.

        Args:
            load: Loads and warms up a version; runs in a thread.
            retries: How often a load that failed is tried again.
            retry_seconds: How long between two tries.
            load_threads: Versions that load at the same time.
        """
        self._load = load
        self._tries, self._retry_seconds = retries + 1, retry_seconds
        self._threads = ThreadPoolExecutor(max(load_threads, 1), "load")
        self._versions: dict[str, dict[int, Version]] = {}
        self._wanted: dict[str, dict[int, Path]] = {}
        self._tasks: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._unloading: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Condition()
        self._tried: dict[str, asyncio.Event] = {}

    def set_aspired(self, name: str, wanted: Mapping[int, Path]) -> None:
        """Says which versions of a model are wanted from now on.

        One that is being unloaded is loaded again when that has ended.

        Args:
            name: The model's name.
            wanted: Folders by version.
        """
        versions = self._versions.setdefault(name, {})
        self._wanted[name] = dict(wanted)
        for number, version in versions.items():
            if version.aspired and number not in wanted:
                version.aspired = False
                if task := self._tasks.pop((name, number), None):
                    task.cancel()
        for number in sorted(wanted, reverse=True):
            known = versions.get(number)
            if known is None or not (known.aspired or known.state in _LOADED):
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
        if number is not None:
            version = self._versions.get(name, {}).get(number)
            return version if version and version.state is VersionState.AVAILABLE else None
        ready = (v for v in self.versions(name) if v.state is VersionState.AVAILABLE)
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
        if not version.users and version.state is VersionState.UNLOADING:
            self._close(version)

    async def tried(self, name: str) -> None:
        """Waits until the first load of a model has ended, well or not.

        TensorFlow Serving takes no request before; this server answers other questions already.
        """
        if event := self._tried.get(name):
            await event.wait()

    def expect(self, name: str) -> asyncio.Event:
        """Says that a model will come, so that requests wait for it.

        Returns:
            What is set when its first load has ended.
        """
        return self._tried.setdefault(name, asyncio.Event())

    def missing(self, name: str) -> None:
        """Says that a model's base path is not there, so that nobody waits for its first load."""
        if not self._versions.get(name):
            self.expect(name).set()

    async def settled(self, names: set[str]) -> list[Version]:
        """Waits until each model has an available version or only failed ones.

        Returns:
            The versions that failed, of the models that have no available one.
        """
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
        for task in self._tasks.values():
            task.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)
        for task in list(self._unloading):
            with suppress(asyncio.CancelledError):
                await task

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
        self._tasks[name, number] = asyncio.create_task(self._bring_up(version))

    async def _bring_up(self, version: Version) -> None:
        version.state = VersionState.LOADING
        try:
            version.servable = await self._load_with_retries(version)
            version.state = VersionState.AVAILABLE
            log.info("Loaded %s version %d", version.name, version.number)
        except StatusError as error:
            version.error, version.state = error, VersionState.END
        except asyncio.CancelledError:
            version.state = VersionState.END
            raise
        finally:
            if version.aspired:
                self._tasks.pop((version.name, version.number), None)
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
                loading.add_done_callback(
                    lambda done: (
                        None if done.cancelled() or done.exception() else done.result().close()
                    )
                )
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
        available = [
            version for version in self.versions(name) if version.state is VersionState.AVAILABLE
        ]
        unwanted = [version for version in available if not version.aspired]
        ready = len(unwanted) < len(available)
        # Without a wanted version that is ready, the highest unwanted one goes on.
        for version in unwanted if ready or not self._wanted.get(name) else unwanted[1:]:
            version.state = VersionState.UNLOADING
            if not version.users:
                self._close(version)

    def _close(self, version: Version) -> None:
        servable, version.servable = version.servable, None
        assert servable is not None

        async def unload() -> None:
            await asyncio.to_thread(servable.close)
            version.state = VersionState.END
            log.info("Unloaded %s version %d", version.name, version.number)
            if version.number in self._wanted.get(version.name, {}):
                self._start(version.name, version.number)
            await self._tell(version.name)

        task = asyncio.create_task(unload())
        self._unloading.add(task)
        task.add_done_callback(self._unloading.discard)


def not_found(name: str, number: int | None) -> StatusError:
    """The error of a request for a model or version that is not served."""
    asked = f"Latest({name})" if number is None else f"Specific({name}, {number})"
    return StatusError(Code.NOT_FOUND, f"Servable not found for request: {asked}")
