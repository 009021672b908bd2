"""Engines for Apache Beam, each named by one word, such as `flink://HOST:8081`.

A word says which options Beam gets. Nothing here asks an engine; `pipeline.engine_check` does.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

from components.validation import nearest_name

Kind = Literal["local", "flink", "spark", "dataflow"]

# Not the DirectRunner: it may hand over to Prism, which downloads a binary.
LOCAL_BEAM = ("--runner=FnApiRunner", "--direct_running_mode=in_memory")
"""Options with which Beam works in this process."""

WORKER_POOL = "localhost:50000"
"""Where an engine finds the program that starts Python workers: beside each of its own."""

_FORMS: dict[Kind, str] = {
    "local": "local",
    "flink": "flink://HOST:8081",
    "spark": "spark://HOST:7077",
    "dataflow": "dataflow://PROJECT/REGION?temp=gs://BUCKET/FOLDER&image=IMAGE",
}
_OPTIONS: dict[Kind, tuple[str, ...]] = {
    "local": ("workers",),
    "flink": ("image", "jar", "job", "parallelism", "pool"),
    "spark": ("image", "jar", "job", "pool"),
    "dataflow": ("image", "temp", "workers"),
}
_HOST = r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(?P<port>\d{1,5})"
_PROJECT = r"[a-z0-9.:-]+/[a-z0-9-]+"
_LAST_PORT = 65_535
_FORM_OF_VALUE = {
    "workers": (r"[1-9]\d{0,4}", "a number, as in workers=2"),
    "parallelism": (r"[1-9]\d{0,4}", "a number, as in parallelism=2"),
    "job": (r"[^\s:/]+:\d{1,5}", "the address of a job server, as in job=localhost:8099"),
    "pool": (r"[^\s:/]+:\d{1,5}", f"the address of a worker pool, as in pool={WORKER_POOL}"),
    "temp": (r"gs://[a-z0-9][\w.-]+(/\S*)?", "a folder in a bucket, as in temp=gs://BUCKET/tmp"),
    "image": (r"\S+", "the name of an image"),
    "jar": (r"[^\0]+", "the path of a job server's jar"),
}
"""Of an option: what its value matches, and what that is in words."""


@dataclass(frozen=True)
class Engine:
    """Where Beam's work is done.

    Attributes:
        kind: Which engine.
        address: `HOST:PORT`, or of Dataflow `PROJECT/REGION`; empty for this machine.
        options: What the word says besides.
    """

    kind: Kind
    address: str
    options: Mapping[str, str]

    def beam_options(self) -> tuple[str, ...]:
        """The options that Beam gets, as far as they follow from the word alone."""
        if self.kind == "local":
            return _local(int(self.options.get("workers", 1)))
        if self.kind == "dataflow":
            return self._dataflow()
        return (*self._submission(), *self._workers())

    def _submission(self) -> tuple[str, ...]:
        """How a job reaches Flink or Spark: through a job server, or without one that runs."""
        if job := self.options.get("job"):
            given = ["--runner=PortableRunner", f"--job_endpoint={job}"]
        elif self.kind == "flink":
            given = ["--runner=FlinkRunner", f"--flink_master={self.address}"]
            given += ["--flink_submit_uber_jar"]  # so that no Java is needed here
        else:
            given = ["--runner=SparkRunner", f"--spark_master_url=spark://{self.address}"]
        if jar := self.options.get("jar"):
            given.append(f"--{self.kind}_job_server_jar={jar}")
        if parallelism := self.options.get("parallelism"):
            given.append(f"--parallelism={parallelism}")
        return tuple(given)

    def _workers(self) -> tuple[str, ...]:
        if image := self.options.get("image"):
            return "--environment_type=DOCKER", f"--environment_config={image}"
        pool = self.options.get("pool", WORKER_POOL)
        return "--environment_type=EXTERNAL", f"--environment_config={pool}"

    def _dataflow(self) -> tuple[str, ...]:
        project, region = self.address.split("/")
        given = [
            "--runner=DataflowRunner",
            f"--project={project}",
            f"--region={region}",
            f"--temp_location={self.options['temp']}",
            f"--sdk_container_image={self.options['image']}",
            "--sdk_location=container",
            "--experiments=use_runner_v2",
        ]
        if workers := self.options.get("workers"):
            given.append(f"--max_num_workers={workers}")
        return tuple(given)


def parse_engine(word: str) -> Engine:
    """Reads the name of an engine.

    Args:
        word: `local`, `flink://HOST:PORT`, `spark://HOST:PORT` or `dataflow://PROJECT/REGION`, and
            after a `?` options as in a URL.

    Returns:
        The engine.

    Raises:
        ValueError: There is no such engine, or it has no such option; in a sentence.
    """
    base, asked, query = word.partition("?")
    kind, address = _address(base)
    options: dict[str, str] = {}
    for name, _, text in (one.partition("=") for one in query.split("&") if asked):
        value = unquote(text)
        if name not in _OPTIONS[kind]:
            raise ValueError(f"{kind} has no option {name!r}{nearest_name(name, _OPTIONS[kind])}")
        if name in options:
            raise ValueError(f"{name} is given twice")
        form, words = _FORM_OF_VALUE[name]
        if not re.fullmatch(form, value):
            raise ValueError(f"{name}={value!r} is not {words}")
        options[name] = value
    for one, other in (("jar", "job"), ("image", "pool")):
        if kind in ("flink", "spark") and one in options and other in options:
            raise ValueError(f"{one} and {other} exclude each other")
    if kind == "dataflow" and (missing := {"temp", "image"} - options.keys()):
        raise ValueError(f"{' and '.join(sorted(missing))} is missing, as in {_FORMS[kind]}")
    return Engine(kind, address, options)


def _address(base: str) -> tuple[Kind, str]:
    scheme, colon, _ = base.partition(":")
    kind = next((kind for kind in _FORMS if kind == scheme), None)
    if kind is None or (kind == "local") is bool(colon):
        forms = ", ".join(_FORMS.values())
        raise ValueError(f"there is no engine {base!r}; there are {forms}")
    if kind == "local":
        return kind, ""
    found = re.fullmatch(_PROJECT if kind == "dataflow" else _HOST, base.partition("://")[2])
    if found is None or (kind != "dataflow" and not 0 < int(found["port"]) <= _LAST_PORT):
        raise ValueError(f"it must be of the form {_FORMS[kind]}")
    return kind, found[0]


def _local(workers: int) -> tuple[str, ...]:
    if workers == 1:
        return LOCAL_BEAM
    several = ("--direct_running_mode=multi_processing", f"--direct_num_workers={workers}")
    return "--runner=FnApiRunner", *several
