"""An mkdocs hook: the reference pages that are made from the code each time the site is built."""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import docstring_parser
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

TFX_FILES = {
    "Examples": "`Split-NAME/*.gz`: gzipped TFRecords of tf.Examples",
    "Schema": "`schema.pbtxt`",
    "ExampleStatistics": "`Split-NAME/FeatureStats.pb`",
    "ExampleAnomalies": "`Split-NAME/SchemaDiff.pb`",
    "TransformGraph": "`transform_fn/`, a SavedModel; `transformed_metadata/schema.pbtxt`",
    "HyperParameters": "`best_hyperparameters.txt`, which `mri run --hyperparameters` takes",
    "TunerResults": "the trials, as TFX writes them",
    "Model": "`Format-Serving/`, the SavedModel; beside it `model.keras`, `model.h5`, "
    "`summary.txt`, `history.json`, `curves.png`",
    "ModelRun": "`train/`, `validation/`: TensorBoard's event files",
    "ModelEvaluation": "TFMA's metrics, plots and validations; `verdict.json`",
    "ModelBlessing": "`BLESSED` or `NOT_BLESSED`, empty",
    "InfraBlessing": "`INFRA_BLESSED` or `INFRA_NOT_BLESSED`, empty; `serve_check.json`",
    "PushedModel": "`pushed.json`: where the model went; the model itself is below `serving/`",
    "InferenceResult": "gzipped TFRecords of PredictionLogs",
}
"""What lies in an artifact whose type is TFX's own; our own types say it in their docstrings."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the generated pages."""
    pages = {
        "configuration": configuration(),
        "presets": presets(),
        "pacs": node_settings(),
        "command-line": command_line(),
        "exit-codes": exit_codes(),
        "artifacts": artifacts(),
    }
    for name, content in pages.items():
        files.append(File.generated(config, f"reference/{name}.md", content=content))
    return files


def configuration() -> str:
    """Returns the page of all settings, from the pydantic models and their docstrings."""
    from pipeline.config import Config

    schema = Config.model_json_schema()
    lines = [
        "# Configuration",
        "",
        "Every setting, with what it is when nobody says otherwise. Set it with",
        "`--set PATH=VALUE`, as in `--set train.epochs=8`, or in a preset. Values are YAML; an",
        "unknown setting or a bad value is refused.",
        "",
        *_section("", schema, schema["$defs"]),
    ]
    return "\n".join(lines)


def node_settings() -> str:
    """Returns the page of the DICOM node's settings, likewise."""
    from serving.pacs.config import PacsConfig

    schema = PacsConfig.model_json_schema()
    lines = [
        "# Settings of the DICOM node",
        "",
        "What stands in the file that `mri pacs` is given by `--config`, as YAML. A path that is",
        "relative begins where that file lies.",
        "",
        *_section("", schema, schema["$defs"]),
    ]
    return "\n".join(lines)


def presets() -> str:
    """Returns the page of the presets, as they stand in the package."""
    from pipeline.config import preset_names

    lines = ["# Presets", "", "What a preset leaves out keeps its default.", ""]
    for name in preset_names():
        text = (resources.files("pipeline.presets") / f"{name}.yaml").read_text(encoding="utf-8")
        lines += [f"## {name}", "", "```yaml", text.rstrip(), "```", ""]
    return "\n".join(lines)


def command_line() -> str:
    """Returns the page of all commands, from the typer application."""
    import typer
    from typer.cli import get_docs_for_click

    from mri.lazy import LazyGroup
    from mri.main import app

    command = typer.main.get_command(app)
    assert isinstance(command, LazyGroup)
    command.load_all()
    page = get_docs_for_click(obj=command, ctx=typer.Context(command), name="mri")
    page = re.sub(r"\[(?:bold|/|/bold)\]", "", page)
    page = page.replace("# `mri`", "# Command line", 1)
    # Examples are set off by two spaces, which Markdown does not see.
    return re.sub(r"^ {1,3}(?=\S)", "    ", page, flags=re.MULTILINE)


def exit_codes() -> str:
    """Returns the page of exit codes, from the enumeration and its docstring."""
    from pipeline.exit_code import ExitCode

    meanings = _attributes(ExitCode.__doc__)
    rows = [[f"{code.value}", f"`{code.name}`", meanings[code.name]] for code in ExitCode]
    return "\n".join(
        [
            "# Exit codes",
            "",
            "Of `mri`, of the launcher that runs one node, and so of a task on Kubeflow.",
            "",
            *_table(["Code", "Name", "Meaning"], rows),
        ]
    )


def artifacts() -> str:
    """Returns the page of components and artifacts, from the graph and the types' docstrings."""
    with _quiet():
        from pipeline.config import Config
        from pipeline.graph import create_pipeline
        from pipeline.work import Work

        config = Config.model_validate({"tune": {"enabled": True}, "bulk_inference": True})
        nodes = create_pipeline(config, Work(Path("work"))).components

    rows, types = [], {}
    for node in nodes:
        outputs = {key: channel.type for key, channel in node.outputs.items()}
        types.update({kind.TYPE_NAME: kind for kind in outputs.values()})
        writes = [f"`{key}`: {kind.TYPE_NAME}" for key, kind in outputs.items()]
        reads = [
            f"{channel.type.TYPE_NAME} of {' and '.join(channel.get_data_dependent_node_ids())}"
            for channel in node.inputs.values()
        ]
        if type(node).__name__ == "Resolver":
            # What a resolver is given only tells it when to choose.
            chosen = [text for text in writes if not text.startswith("`candidate")]
            reads, writes = [], ["chooses among earlier ones:", *chosen]
        rows.append([f"`{node.id}`", "<br>".join(reads), "<br>".join(writes)])
    return "\n".join(
        [
            "# Components and artifacts",
            "",
            "The graph with everything switched on: Tuner runs with `--tune`, BulkInferrer with",
            "`bulk_inference`. An output lies in the work folder's `artifacts/NODE/OUTPUT/ID/`.",
            "",
            *_table(["Node", "Reads", "Writes"], rows),
            "",
            "## What lies in them",
            "",
            *_table(
                ["Type", "Files"],
                [[f"`{name}`", _files(name, kind)] for name, kind in sorted(types.items())],
            ),
        ]
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps back what TensorFlow writes past Python's streams when it starts."""
    saved = os.dup(2)
    with Path(os.devnull).open("wb") as null:
        os.dup2(null.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def _files(name: str, kind: type) -> str:
    if kind.__module__.startswith("components."):
        return " ".join((kind.__doc__ or "").split("Custom properties")[0].split())
    return TFX_FILES[name]


def _section(
    path: str, schema: Mapping[str, Any], known: Mapping[str, Any], *, listed: bool = False
) -> Iterator[str]:
    """The lines of a section of the configuration, or of an entry of a list, and of those in it."""
    described = schema["description"]
    meanings = _attributes(described)
    yield f"## {path or 'Everything'}"
    yield ""
    yield docstring_parser.parse(described).short_description or ""
    yield ""
    rows, inner = [], []
    for name, field in schema["properties"].items():
        full = name if listed or not path else f"{path}.{name}"
        entry = field.get("items", {}).get("$ref")
        optional = next((one["$ref"] for one in field.get("anyOf", ()) if "$ref" in one), None)
        if reference := field.get("$ref") or entry or optional:
            inner.append((full, known[reference.rsplit("/", 1)[-1]], bool(entry)))
        kind = f"[section](#{_anchor(full)})" if "$ref" in field else _kind(field)
        default = "" if "$ref" in field else _default(field, name in schema.get("required", ()))
        rows.append([f"`{full}`", kind, default, meanings[name]])
    yield from _table(["Setting", "Type", "Default", "Meaning"], rows)
    yield ""
    for full, definition, entry in inner:
        yield from _section(full, definition, known, listed=entry)


def _anchor(path: str) -> str:
    return path.replace(".", "")


def _default(field: Mapping[str, Any], required: bool) -> str:
    return "required" if required else f"`{json.dumps(field.get('default'), ensure_ascii=False)}`"


def _kind(field: Mapping[str, Any]) -> str:
    """A JSON schema's type and limits in words."""
    if "anyOf" in field:
        kinds = field["anyOf"]
        return " or ".join("section" if "$ref" in kind else _kind(kind) for kind in kinds)
    if "enum" in field or "const" in field:
        values = field.get("enum") or [field["const"]]
        return " or ".join(f"`{value}`" for value in values)
    if "$ref" in field:
        return "sections"
    kind: str = field["type"]
    if kind == "array":
        parts = field.get("prefixItems")
        if parts:
            return f"{len(parts)} of: {_kind(parts[0])}"
        return f"list of: {_kind(field['items'])}" + _limits(field)
    if kind == "object":
        return f"mapping to: {_kind(field['additionalProperties'])}"
    words = {"integer": "whole number", "boolean": "true or false", "string": "text"}
    words |= {"null": "`null`"}
    word = "path" if field.get("format") == "path" else words.get(kind, kind)
    return word + _limits(field)


def _limits(field: Mapping[str, Any]) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    found = [f"{sign} {field[name]}" for name, sign in signs.items() if name in field]
    if "minItems" in field:
        found.append(f"at least {field['minItems']}")
    if "pattern" in field:
        found.append(f"matching `{field['pattern']}`")
    return f", {', '.join(found)}" if found else ""


def _attributes(docstring: str | None) -> dict[str, str]:
    """What a docstring says of each attribute."""
    parsed = docstring_parser.parse(docstring or "")
    return {
        entry.arg_name: " ".join((entry.description or "").split())
        for entry in parsed.params
        if entry.args[0] == "attribute"
    }


def _table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    names = list(header)
    yield _row(names)
    yield _row(["---"] * len(names))
    yield from (_row(row) for row in rows)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
