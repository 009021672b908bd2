"""gunicorn, told in Python: one process, as limits and metrics are kept in its memory."""

import signal
import sys
from pathlib import Path
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]

from components.leash import ask_the_kernel

_THREADS = 32
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - only gunicorn's heartbeat, and not on a disk


class Gunicorn(BaseApplication):
    """Serves an application until it is told to end."""

    def __init__(self, app: Flask, host: str, port: int) -> None:
        """Prepares; `run` serves.

        Args:
            app: The application.
            host: Where to listen.
            port: Where to listen.
        """
        self._app, self._host, self._port = app, host, port
        super().__init__()

    def load_config(self) -> None:
        """Sets what differs from gunicorn's own settings."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        settings: dict[str, Any] = {
            "bind": f"{host}:{self._port}",
            "worker_class": "gthread",
            "workers": 1,
            "threads": _THREADS,
            "timeout": 120,
            "loglevel": "warning",
            "control_socket_disable": True,
            "when_ready": self._say_ready,
            "post_fork": self._end_with_the_master,
        }
        if _SHARED_MEMORY.is_dir():
            settings["worker_tmp_dir"] = str(_SHARED_MEMORY)
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """The application."""
        return self._app

    def _end_with_the_master(self, _server: Any, _worker: Any) -> None:
        """In the worker: gunicorn's own looks come late while requests are served."""
        if sys.platform == "linux":
            ask_the_kernel(signal.SIGKILL)

    def _say_ready(self, _: Any) -> None:
        sys.stderr.write(f"The page is at http://{self._host}:{self._port}\n")
        sys.stderr.flush()
