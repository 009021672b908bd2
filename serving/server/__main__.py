"""`python -m serving.server`: a stand-in for `tensorflow_model_server` on a command line."""

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from components.errors import PipelineError
from components.signature import check_trusted
from serving.server.flags import Flags, parse_flags, usage
from serving.server.logs import set_up_logging

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# It would say every second that no file descriptor is left.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")


def main(arguments: Sequence[str]) -> int:
    """Serves until it is told to end; exit code 0: as told, 1: could not serve, 2: wrong flags."""
    try:
        serve_with(arguments)
    except PipelineError as error:
        sys.stderr.write(f"Failed to start server. Error: {error}\n")
        return error.exit_code
    return 0


def serve_with(arguments: Sequence[str]) -> None:
    """Serves until it is told to end; a PipelineError, or UsageError, says why it cannot."""
    set_up_logging()
    if "--help" in arguments:
        sys.stdout.write(usage())
        return
    flags, without_effect = parse_flags(arguments)
    for name in without_effect:
        logging.getLogger(__name__).warning("--%s has no effect here", name)
    if flags.version:
        from importlib.metadata import version

        sys.stdout.write(
            "TensorFlow ModelServer protocol: brain-mri-pipeline embedded server\n"
            f"TensorFlow Library: {version('tensorflow')}\n"
        )
    else:
        asyncio.run(_serve(flags))


async def _serve(flags: Flags) -> None:
    from serving.server.configuration import read_configuration
    from serving.server.listeners import open_grpc, open_rest

    # What is wrong is said at once; importing TensorFlow takes seconds.
    configuration = read_configuration(flags)
    if flags.require_signature:
        check_trusted(Path(flags.require_signature))
    rest_socket = open_rest(flags)
    grpc_server = open_grpc(flags)

    serve = import_server()
    await serve(configuration, grpc_server, rest_socket)


def import_server() -> Callable[..., Awaitable[None]]:
    """Imports TensorFlow and the server, but not Keras 3, which no SavedModel needs."""
    # TensorFlow imports a Keras at once: the old one comes without scikit-learn and Matplotlib, and
    # so in a third of the time.
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    with _without_stderr():
        from serving.server.serve import serve

    return serve


@contextmanager
def _without_stderr() -> Iterator[None]:
    """Loses what TensorFlow says of this machine while it is imported, whatever its log level."""
    sys.stderr.flush()
    with os.fdopen(os.dup(2), "wb") as saved, Path(os.devnull).open("wb") as nothing:
        os.dup2(nothing.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved.fileno(), 2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
