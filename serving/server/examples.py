"""Classify, Regress and MultiInference: signatures that read serialised tf.Examples.

The rules are those of `classifier.cc`, `regressor.cc` and `multi_inference.cc` in
tensorflow/serving.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tensorflow_serving.apis import classification_pb2, inference_pb2, regression_pb2

from components.servable import DEFAULT_SIGNATURE
from serving.server.errors import Code, StatusError, invalid_argument
from serving.server.predict import fill_model_spec
from serving.server.servable import Call, Servable
from serving.server.tensors import MOST_FILLED, Array

CLASSIFY = "tensorflow/serving/classify"
REGRESS = "tensorflow/serving/regress"

_CLASSIFICATION = {"classes": (object, "DT_STRING"), "scores": (np.float32, "DT_FLOAT")}
"""What a classification gives, and of which types."""


@dataclass(frozen=True)
class _Task:
    """One signature's part of a call."""

    feed: str
    """Name of the tensor that takes the examples."""
    fetches: dict[str, str]
    """Names of the tensors it gives, by what they are."""
    result: str
    """The field of an InferenceResult that it fills."""
    fill: Callable[[Any, dict[str, Array], int], None]
    """Fills it, given those tensors by what they are and the number of examples."""


def classify_call(servable: Servable, request: Any) -> Call:
    """What a ClassificationRequest asks of the model."""
    tasks = _only_task(servable, request.model_spec, CLASSIFY, "classification")
    return _call("Classify", servable, request, tasks, classification_pb2.ClassificationResponse)


def regress_call(servable: Servable, request: Any) -> Call:
    """What a RegressionRequest asks of the model."""
    tasks = _only_task(servable, request.model_spec, REGRESS, "regression")
    return _call("Regress", servable, request, tasks, regression_pb2.RegressionResponse)


def multi_inference_call(servable: Servable, request: Any) -> Call:
    """What a MultiInferenceRequest asks of the model: several signatures in one run."""
    tasks: dict[str, _Task] = {}
    for task in request.tasks:
        name = task.model_spec.signature_name or DEFAULT_SIGNATURE
        if task.model_spec.name != request.tasks[0].model_spec.name:
            raise invalid_argument(
                "All ModelSpecs in a MultiInferenceRequest must access the same model name."
            )
        if name in tasks:
            raise invalid_argument(f"Duplicate evaluation of signature: {name}")
        if name not in servable.signatures:
            raise invalid_argument(f"Requested signature not found in model graph: {name}")
        if task.method_name not in _TASKS:
            raise StatusError(
                Code.UNIMPLEMENTED, f"Unsupported signature method_name: {task.method_name}"
            )
        tasks[name] = _TASKS[task.method_name](servable.signatures[name])
    return _call("MultiInference", servable, request, tasks, inference_pb2.MultiInferenceResponse)


def _only_task(servable: Servable, spec: Any, method: str, what: str) -> dict[str, _Task]:
    name = spec.signature_name or DEFAULT_SIGNATURE
    signature = servable.signatures.get(name)
    if signature is None:
        raise invalid_argument(f"No signature was found with the name: {name}")
    if servable.check_method_name and signature.method_name != method:
        raise invalid_argument(
            f"Expected {what} signature method_name to be {method}. Was: {signature.method_name}"
        )
    return {name: _TASKS[method](signature)}


def _call(
    api: str, servable: Servable, request: Any, tasks: dict[str, _Task], new: Callable[[], Any]
) -> Call:
    examples = serialized_examples(request.input)
    feeds = tuple(dict.fromkeys(task.feed for task in tasks.values()))
    fetches = tuple(dict.fromkeys(n for task in tasks.values() for n in task.fetches.values()))

    def respond(outputs: Sequence[Array]) -> Any:
        tensors = dict(zip(fetches, outputs, strict=True))
        response = new()
        for name, task in tasks.items():
            part, result = response, "result"
            if api == "MultiInference":
                part, result = response.results.add(), task.result
            fill_model_spec(part.model_spec, servable, name)
            roles = {role: tensors[fetched] for role, fetched in task.fetches.items()}
            task.fill(getattr(part, result), roles, len(examples))
        return response

    return Call(api, feeds, (examples,) * len(feeds), fetches, respond)


def serialized_examples(message: Any) -> Array:
    """The tf.Examples of an Input, each serialised, with the common context in front."""
    kind = message.WhichOneof("kind")
    listed = getattr(message, kind).examples if kind else ()
    if not listed:
        raise invalid_argument("Input is empty.")
    # Two serialised messages in a row are the two messages merged; without a context it is empty.
    context = message.example_list_with_context.context.SerializeToString()
    if len(context) * (len(listed) - 1) > MOST_FILLED:
        raise invalid_argument(
            f"A context of {len(context)} bytes is too large for {len(listed)} examples: copies may"
            f" take {MOST_FILLED} bytes"
        )
    examples = np.empty(len(listed), dtype=object)
    examples[:] = [context + example.SerializeToString() for example in listed]
    return examples


def _feed(signature: Any, what: str) -> str:
    if len(signature.inputs) != 1:
        raise invalid_argument("Expected one input Tensor.")
    if "inputs" not in signature.inputs:
        raise invalid_argument(f"No {what} inputs found in SignatureDef: {signature}")
    return str(signature.inputs["inputs"].name)


def _classification(signature: Any) -> _Task:
    outputs = signature.outputs
    if len(outputs) not in (1, 2):
        raise invalid_argument(f"Expected one or two output Tensors, found {len(outputs)}")
    feed = _feed(signature, "classification")
    fetches = {role: outputs[role].name for role in _CLASSIFICATION if role in outputs}
    if not fetches:
        raise invalid_argument(
            "Expected classification signature outputs to contain at least one of "
            f'"classes" or "scores". Signature was: {signature}'
        )
    return _Task(feed, fetches, "classification_result", _fill_classifications)


def _regression(signature: Any) -> _Task:
    if len(signature.outputs) != 1:
        raise invalid_argument("Expected one output Tensor.")
    feed = _feed(signature, "regression")
    if "outputs" not in signature.outputs:
        raise invalid_argument(f"No regression outputs found in SignatureDef: {signature}")
    fetches = {"outputs": signature.outputs["outputs"].name}
    return _Task(feed, fetches, "regression_result", _fill_regressions)


_TASKS = {CLASSIFY: _classification, REGRESS: _regression}
"""What MultiInference may ask, by the method's name."""


def _fill_classifications(result: Any, tensors: dict[str, Array], examples: int) -> None:
    for role, tensor in tensors.items():
        dtype, name = _CLASSIFICATION[role]
        if tensor.ndim != 2:
            raise invalid_argument(
                f"Expected Tensor shape: [batch_size num_classes] but got {_shape(tensor)}"
            )
        if tensor.dtype != dtype:
            raise invalid_argument(f"Expected {role} Tensor of {name}. Got: {tensor.dtype}")
        if len(tensor) != examples:
            raise invalid_argument(
                f"Expected {role} output batch size of {examples}. Got: {len(tensor)}"
            )
    widths = {tensor.shape[1] for tensor in tensors.values()}
    if len(widths) > 1:
        sizes = " vs. ".join(str(tensor.shape[1]) for tensor in tensors.values())
        raise invalid_argument(f"Tensors class and score should match in dim_size(1). Got {sizes}")
    shape = (examples, widths.pop())
    classes = tensors.get("classes", np.full(shape, b"", object))
    scores = tensors.get("scores", np.zeros(shape, np.float32))
    for labels, values in zip(classes.tolist(), scores.tolist(), strict=True):
        added = result.classifications.add().classes
        for label, score in zip(labels, values, strict=True):
            added.add(label=label.decode(errors="replace"), score=score)


def _fill_regressions(result: Any, tensors: dict[str, Array], examples: int) -> None:
    tensor = tensors["outputs"]
    if tensor.ndim != 1 and not (tensor.ndim == 2 and tensor.shape[1] == 1):
        raise invalid_argument(
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got"
            f" {_shape(tensor)}"
        )
    if len(tensor) != examples:
        raise invalid_argument(
            f"Input batch size did not match output batch size: {examples} vs. {len(tensor)}"
        )
    if tensor.dtype != np.float32:
        raise invalid_argument(f"Expected output Tensor of DT_FLOAT.  Got: {tensor.dtype}")
    for value in tensor.ravel().tolist():
        result.regressions.add(value=value)


def _shape(tensor: Array) -> str:
    return f"[{','.join(map(str, tensor.shape))}]"
