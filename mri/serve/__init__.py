"""`mri serve`: the pushed model behind TensorFlow Serving's gRPC and REST protocol."""

from pathlib import Path
from typing import Annotated

import typer

from components.bucket import client, is_uri
from components.errors import path_error
from components.whole_file import whole_file
from mri.lazy import LazyGroup
from mri.options import WorkFolder
from mri.served import served_model
from pipeline.work import Work
from serving.server.__main__ import serve_with
from serving.tf_serving.config import BatchingConfig
from serving.tf_serving.files import batching_config


class ServeCommands(LazyGroup):
    """What is done beside serving."""

    package = __name__
    table = {
        "bench": "Put load on a model server and measure throughput and latency.",
        "files": "Write the configuration of TensorFlow Serving, Docker Compose and Prometheus.",
        "log": "Pass requests on to TensorFlow Serving, and log its predictions for `mri monitor`.",
    }


_BUCKET_SECONDS = 10
"""Between two looks at a bucket, each of which is a request that its owner may pay for."""

app = typer.Typer(cls=ServeCommands, add_completion=False, invoke_without_command=True)


@app.callback(
    epilog="Examples:\n\n  mri serve\n\n  mri serve --port 9500 --rest-port 9501\n\n"
    "  mri serve --base-path s3://hospital/models/brain_mri\n\n"
    "  mri serve --require-signature signer.pub\n\n"
    "  mri serve --flag bind_address=0.0.0.0 --flag max_num_load_retries=0"
)
def serve(
    context: typer.Context,
    work: WorkFolder = Path("work"),
    model: Annotated[
        str | None, typer.Option(help="Model name (default: the only model pushed).")
    ] = None,
    base_path: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder of versions, or s3://BUCKET/NAME; default: the one in --work.",
        ),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port for gRPC.")] = 8500,
    rest_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port for REST; 0 for none.")
    ] = 8501,
    batching: Annotated[
        bool, typer.Option(help="Merge requests that arrive together into batches.")
    ] = True,
    require_signature: Annotated[
        Path | None,
        typer.Option(
            metavar="PEM",
            help="Load only versions that were signed by this public key, or under these "
            "certificates.",
        ),
    ] = None,
    request_log: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Log each prediction here, without the image."),
    ] = None,
    flag: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Another flag of TensorFlow Serving."),
    ] = None,
) -> None:
    """Serve the pushed model over TensorFlow Serving's gRPC and REST, and load new versions."""
    if context.invoked_subcommand:
        return
    folder = Work(work.absolute())
    if base_path is None:
        found = served_model(folder.serving, model)
        base_path, model = str(found), found.name
    elif not is_uri(base_path):
        base_path = str(Path(base_path).absolute())
    arguments = [
        f"--port={port}",
        f"--rest_api_port={rest_port}",
        f"--model_name={model or base_path.rstrip('/').rpartition('/')[2]}",
        f"--model_base_path={base_path}",
        "--enable_grpc_healthcheck_service",
    ]
    if is_uri(base_path):
        client()  # what is wrong with its settings is said at once
        arguments += [
            f"--model_cache_dir={folder.cache / 'served'}",
            f"--file_system_poll_wait_seconds={_BUCKET_SECONDS}",
        ]
    if batching:
        parameters = folder.root / "batching.config"
        try:
            folder.root.mkdir(parents=True, exist_ok=True)
            with whole_file(parameters) as file:
                file.write_text(batching_config(BatchingConfig()))
        except OSError as error:
            raise path_error(error)(f"{parameters} cannot be written: {error.strerror}.") from error
        arguments += ["--enable_batching", f"--batching_parameters_file={parameters}"]
    if require_signature is not None:
        arguments.append(f"--require_signature={require_signature.absolute()}")
    if request_log is not None:
        arguments.append(f"--request_log_dir={request_log.absolute()}")
    serve_with([*arguments, *(f"--{one.removeprefix('--')}" for one in flag or ())])
