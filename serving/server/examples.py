"""Classify, Regress and MultiInference: signatures that read serialised tf.Examples.

The rules are those of `classifier.cc`, `regressor.cc` and `multi_inference.cc` in
tensorflow/serving.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tensorflow_serving.apis import classification_pb2, inference_pb2, regression_pb2

from serving.server.errors import Code, StatusError, invalid_argument
from serving.server.model_spec import fill_model_spec
from serving.server.servable import DEFAULT_SIGNATURE, Call, Servable
from serving.server.tensors import MOST_FILLED, Array

CLASSIFY = "tensorflow/serving/classify"
REGRESS = "tensorflow/serving/regress"


@dataclass(frozen=True)
class _Task:
    """One signature's part of a call.

    Attributes:
        feed: Name of the tensor that takes the examples.
        fetches: Names of the tensors it gives, by what they are.
        fill: Fills the result, given those tensors by what they are and the number of examples.
    """

    feed: str
    fetches: dict[str, str]
    fill: Callable[[Any, dict[str, Array], int], None]


def classify_call(servable: Servable, request: Any) -> Call:
    """What a ClassificationRequest asks of the model.

    Raises:
        StatusError: The signature does not classify, or the request holds no example.
    """
    task = _classification(_signature(servable, request.model_spec, CLASSIFY, "classification"))
    return _single_call(
        "Classify", servable, request, task, classification_pb2.ClassificationResponse
    )


def regress_call(servable: Servable, request: Any) -> Call:
    """What a RegressionRequest asks of the model.

    Raises:
        StatusError: The signature does not regress, or the request holds no example.
    """
    task = _regression(_signature(servable, request.model_spec, REGRESS, "regression"))
    return _single_call("Regress", servable, request, task, regression_pb2.RegressionResponse)


def multi_inference_call(servable: Servable, request: Any) -> Call:
    """What a MultiInferenceRequest asks of the model: several signatures in one run.

    Raises:
        StatusError: A task names another model, the same signature twice, or none that fits.
    """
    tasks = []
    seen: set[str] = set()
    for task in request.tasks:
        name = task.model_spec.signature_name or DEFAULT_SIGNATURE
        if task.model_spec.name != request.tasks[0].model_spec.name:
            raise invalid_argument(
                "All ModelSpecs in a MultiInferenceRequest must access the same model name."
            )
        if name in seen:
            raise invalid_argument(f"Duplicate evaluation of signature: {name}")
        seen.add(name)
        if name not in servable.signatures:
            raise invalid_argument(f"Requested signature not found in model graph: {name}")
        if task.method_name == CLASSIFY:
            tasks.append(_classification(servable.signatures[name]))
        elif task.method_name == REGRESS:
            tasks.append(_regression(servable.signatures[name]))
        else:
            raise StatusError(
                Code.UNIMPLEMENTED, f"Unsupported signature method_name: {task.method_name}"
            )
    examples = serialized_examples(request.input)
    feeds = tuple(dict.fromkeys(task.feed for task in tasks))
    fetches = tuple(dict.fromkeys(name for task in tasks for name in task.fetches.values()))

    def respond(outputs: Sequence[Array]) -> Any:
        response = inference_pb2.MultiInferenceResponse()
        for asked, task in zip(request.tasks, tasks, strict=True):
            result = response.results.add()
            fill_model_spec(result.model_spec, servable, asked.model_spec.signature_name)
            part = (
                result.classification_result
                if asked.method_name == CLASSIFY
                else result.regression_result
            )
            task.fill(part, _by_role(task, fetches, outputs), len(examples))
        return response

    return Call("MultiInference", feeds, (examples,) * len(feeds), fetches, respond)


def _single_call(
    api: str, servable: Servable, request: Any, task: _Task, response_class: Callable[[], Any]
) -> Call:
    examples = serialized_examples(request.input)
    fetches = tuple(dict.fromkeys(task.fetches.values()))

    def respond(outputs: Sequence[Array]) -> Any:
        response = response_class()
        fill_model_spec(response.model_spec, servable, request.model_spec.signature_name)
        task.fill(response.result, _by_role(task, fetches, outputs), len(examples))
        return response

    return Call(api, (task.feed,), (examples,), fetches, respond)


def _by_role(task: _Task, fetches: tuple[str, ...], outputs: Sequence[Array]) -> dict[str, Array]:
    return {role: outputs[fetches.index(name)] for role, name in task.fetches.items()}


def serialized_examples(message: Any) -> Array:
    """The tf.Examples of an Input, each serialised, with the common context in front.

    Raises:
        StatusError: There are none, or the context is too large to stand in front of each.
    """
    kind = message.WhichOneof("kind")
    listed = getattr(message, kind).examples if kind else ()
    if not listed:
        raise invalid_argument("Input is empty.")
    # Two serialised messages in a row are the two messages merged.
    context = (
        message.example_list_with_context.context.SerializeToString()
        if kind == "example_list_with_context"
        else b""
    )
    if len(context) * (len(listed) - 1) > MOST_FILLED:
        raise invalid_argument(
            f"A context of {len(context)} bytes is too large for {len(listed)} examples: copies may"
            f" take {MOST_FILLED} bytes"
        )
    examples = np.empty(len(listed), dtype=object)
    examples[:] = [context + example.SerializeToString() for example in listed]
    return examples


def _signature(servable: Servable, spec: Any, method: str, what: str) -> Any:
    name = spec.signature_name or DEFAULT_SIGNATURE
    signature = servable.signatures.get(name)
    if signature is None:
        raise invalid_argument(f"No signature was found with the name: {name}")
    if servable.check_method_name and signature.method_name != method:
        raise invalid_argument(
            f"Expected {what} signature method_name to be {method}. Was: {signature.method_name}"
        )
    return signature


def _feed(signature: Any, what: str) -> str:
    if len(signature.inputs) != 1:
        raise invalid_argument("Expected one input Tensor.")
    if "inputs" not in signature.inputs:
        raise StatusError(
            Code.FAILED_PRECONDITION, f"No {what} inputs found in SignatureDef: {signature}"
        )
    name: str = signature.inputs["inputs"].name
    return name


def _classification(signature: Any) -> _Task:
    if len(signature.outputs) not in (1, 2):
        raise invalid_argument(
            f"Expected one or two output Tensors, found {len(signature.outputs)}"
        )
    feed = _feed(signature, "classification")
    fetches = {
        role: signature.outputs[role].name
        for role in ("classes", "scores")
        if role in signature.outputs
    }
    if not fetches:
        raise StatusError(
            Code.FAILED_PRECONDITION,
            "Expected classification signature outputs to contain at least one of "
            f'"classes" or "scores". Signature was: {signature}',
        )
    return _Task(feed, fetches, _fill_classifications)


def _regression(signature: Any) -> _Task:
    if len(signature.outputs) != 1:
        raise invalid_argument("Expected one output Tensor.")
    feed = _feed(signature, "regression")
    if "outputs" not in signature.outputs:
        raise StatusError(
            Code.FAILED_PRECONDITION, f"No regression outputs found in SignatureDef: {signature}"
        )
    return _Task(feed, {"outputs": signature.outputs["outputs"].name}, _fill_regressions)


def _fill_classifications(result: Any, tensors: dict[str, Array], examples: int) -> None:
    for role, dtype, name in (("classes", object, "DT_STRING"), ("scores", np.float32, "DT_FLOAT")):
        tensor = tensors.get(role)
        if tensor is None:
            continue
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
        raise invalid_argument(
            "Tensors class and score should match in dim_size(1). Got "
            + " vs. ".join(str(tensor.shape[1]) for tensor in tensors.values())
        )
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
