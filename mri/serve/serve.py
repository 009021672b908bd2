"""`mri serve`: the pushed model behind TensorFlow Serving's gRPC and REST protocol."""

from collections.abc import Sequence
from pathlib import Path

from components.errors import PipelineError
from components.whole_file import whole_file
from mri.served import served_model
from pipeline.work import Work


def serve_pushed(
    work: Work,
    name: str | None,
    *,
    port: int,
    rest_port: int,
    batching: bool,
    request_log: Path | None,
    flags: Sequence[str],
) -> None:
    """Serves the models that runs have pushed, and takes up new versions as they come.

    Args:
        work: The work folder.
        name: The model; None: the only one that there is.
        port: gRPC port.
        rest_port: REST port; 0: no REST.
        batching: Whether requests are merged.
        request_log: Folder for a row for each prediction; None: nothing is logged.
        flags: More of TensorFlow Serving's flags, as NAME=VALUE.

    Raises:
        PipelineError: No model was pushed, a flag is wrong, a port is in use, or the work folder
            cannot be written.
    """
    from serving.server.__main__ import serve_with
    from serving.tf_serving.config import BatchingConfig
    from serving.tf_serving.files import batching_config

    arguments = [
        f"--port={port}",
        f"--rest_api_port={rest_port}",
        f"--model_name={(base_path := served_model(work.serving, name)).name}",
        f"--model_base_path={base_path}",
        "--enable_grpc_healthcheck_service",
    ]
    if batching:
        parameters = work.root / "batching.config"
        try:
            with whole_file(parameters) as file:
                file.write_text(batching_config(BatchingConfig()))
        except OSError as error:
            raise PipelineError(f"{parameters} cannot be written: {error.strerror}.") from error
        arguments += ["--enable_batching", f"--batching_parameters_file={parameters}"]
    if request_log is not None:
        arguments.append(f"--request_log_dir={request_log.absolute()}")
    serve_with([*arguments, *(f"--{flag.removeprefix('--')}" for flag in flags)])
