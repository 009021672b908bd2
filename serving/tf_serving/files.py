"""The files that production needs, made from one configuration."""

import json
from pathlib import Path
from typing import Any

import yaml

from components.errors import PipelineError
from components.whole_file import whole_file
from serving.tf_serving.config import BatchingConfig, DeploymentConfig

_METRICS = "/monitoring/prometheus/metrics"
_GRPC, _REST, _PAGE, _PROMETHEUS = 8500, 8501, 8000, 9090
"""Ports inside the containers."""


def models_config(config: DeploymentConfig) -> str:
    """TensorFlow Serving's `--model_config_file`: a ModelServerConfig in text format."""
    labels = "".join(
        f"    version_labels {{ key: {json.dumps(label)} value: {version} }}\n"
        for label, version in sorted(config.labels.items())
    )
    # A version that is to keep its label must stay loaded when a newer one comes.
    versions = sorted(set(config.labels.values()))
    policy = (
        "    model_version_policy { specific { "
        + "".join(f"versions: {version} " for version in versions)
        + "} }\n"
        if versions
        else ""
    )
    return (
        "model_config_list {\n"
        "  config {\n"
        f'    name: "{config.name}"\n'
        f'    base_path: "/models/{config.name}"\n'
        '    model_platform: "tensorflow"\n'
        f"{policy}{labels}"
        "  }\n"
        "}\n"
    )


def batching_config(config: BatchingConfig) -> str:
    """TensorFlow Serving's `--batching_parameters_file`: BatchingParameters in text format."""
    numbers = config.model_dump(exclude={"allowed_batch_sizes"})
    lines = [f"{name} {{ value: {value} }}" for name, value in numbers.items()]
    lines += [f"allowed_batch_sizes: {size}" for size in config.allowed_batch_sizes]
    return "\n".join(lines) + "\n"


def monitoring_config() -> str:
    """TensorFlow Serving's `--monitoring_config_file`: a MonitoringConfig in text format."""
    return f'prometheus_config {{\n  enable: true\n  path: "{_METRICS}"\n}}\n'


def prometheus_config() -> str:
    """Prometheus' configuration: the server's and the page's metrics."""
    return _yaml(
        {
            "global": {"scrape_interval": "15s"},
            "scrape_configs": [
                {
                    "job_name": "model_server",
                    "metrics_path": _METRICS,
                    "static_configs": [{"targets": [f"server:{_REST}"]}],
                },
                {
                    "job_name": "page",
                    "metrics_path": "/metrics",
                    "static_configs": [{"targets": [f"page:{_PAGE}"]}],
                },
            ],
        }
    )


def compose_file(config: DeploymentConfig) -> str:
    """Docker Compose: the model server, the page that asks it, and Prometheus."""
    hardened = {
        "restart": "unless-stopped",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
    }
    return _yaml(
        {
            "services": {
                "server": {
                    "image": config.image,
                    "command": [
                        "--model_config_file=/config/models.config",
                        "--model_config_file_poll_wait_seconds=60",
                        "--enable_batching",
                        "--batching_parameters_file=/config/batching.config",
                        "--monitoring_config_file=/config/monitoring.config",
                        "--enable_grpc_healthcheck_service",
                    ],
                    "volumes": [
                        # The folder, not its files: a file that is replaced would not be seen.
                        "./config:/config:ro",
                        _models(config),
                    ],
                    "ports": [
                        f"{config.bind}:{config.grpc_port}:{_GRPC}",
                        f"{config.bind}:{config.rest_port}:{_REST}",
                    ],
                    "healthcheck": _health(config.name),
                    **hardened,
                },
                "page": {
                    "image": config.page_image,
                    "command": ["web", "--server", f"http://server:{_REST}",
                                "--host", "0.0.0.0", "--port", str(_PAGE)],  # noqa: S104 - in the container
                    "environment": {
                        "SECRET_KEY": "${SECRET_KEY:?set it to a long random text}",
                        "MRI_WEB_MODELS": f"/models/{config.name}",
                    },
                    # For the model cards and reports.
                    "volumes": [_models(config)],
                    "depends_on": {"server": {"condition": "service_healthy"}},
                    "ports": [f"{config.bind}:{config.page_port}:{_PAGE}"],
                    "tmpfs": ["/tmp"],  # noqa: S108 - in the container
                    **hardened,
                },
                "prometheus": {
                    "image": config.prometheus_image,
                    "volumes": [
                        "./prometheus.yml:/etc/prometheus/prometheus.yml:ro",
                        "prometheus:/prometheus",
                    ],
                    "ports": [f"{config.bind}:{config.prometheus_port}:{_PROMETHEUS}"],
                    **hardened,
                },
            },
            "volumes": {"prometheus": {}},
        }
    )  # fmt: skip


def write_files(config: DeploymentConfig, out: Path) -> list[Path]:
    """Writes all files into a folder.

    Args:
        config: The deployment.
        out: The folder; made where it is not there. Files of these names are replaced.

    Returns:
        The files.

    Raises:
        PipelineError: They cannot be written.
    """
    contents = {
        "config/models.config": models_config(config),
        "config/batching.config": batching_config(config.batching),
        "config/monitoring.config": monitoring_config(),
        "prometheus.yml": prometheus_config(),
        "docker-compose.yaml": compose_file(config),
    }
    try:
        (out / "config").mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            with whole_file(out / name) as file:
                file.write_text(content, encoding="utf-8")
    except OSError as error:
        raise PipelineError(
            f"{out} cannot be written ({error.strerror}): name another folder."
        ) from error
    return [out / name for name in contents]


def _models(config: DeploymentConfig) -> dict[str, Any]:
    """The models' volume; in the short form a colon would end the folder's name."""
    return {
        "type": "bind",
        "source": str(config.models).replace("$", "$$"),
        "target": f"/models/{config.name}",
        "read_only": True,
    }


def _health(name: str) -> dict[str, Any]:
    """The image has no curl: bash asks for the model's status."""
    ask = (
        f"exec 3<>/dev/tcp/127.0.0.1/{_REST} && "
        rf"printf 'GET /v1/models/{name} HTTP/1.0\r\n\r\n' >&3 && grep -q AVAILABLE <&3"
    )
    return {
        "test": ["CMD", "bash", "-c", ask],
        "interval": "10s",
        "timeout": "5s",
        "start_period": "60s",
    }


def _yaml(document: dict[str, Any]) -> str:
    class Plain(yaml.SafeDumper):
        """Repeats what occurs twice; anchors are for machines."""

        def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's
            return True

    return yaml.dump(document, Dumper=Plain, sort_keys=False, width=100)
