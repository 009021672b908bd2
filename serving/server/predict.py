"""Predict: any signature, any tensors. The rules are `predict_util.cc`'s in tensorflow/serving."""

from collections.abc import Iterable, Sequence
from typing import Any

from tensorflow_serving.apis import predict_pb2

from components.servable import DEFAULT_SIGNATURE
from serving.server.errors import Code, StatusError, invalid_argument
from serving.server.servable import Call, Servable
from serving.server.tensors import Array, to_array, to_proto, type_name

_METHODS = tuple(f"tensorflow/serving/{method}" for method in ("predict", "classify", "regress"))


def predict_call(servable: Servable, request: Any) -> Call:
    """What a PredictRequest asks of the model."""
    signature_name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    signature = servable.signatures.get(signature_name)
    if signature is None:
        raise StatusError(
            Code.FAILED_PRECONDITION, f'Serving signature key "{signature_name}" not found.'
        )
    if servable.check_method_name and signature.method_name not in _METHODS:
        raise StatusError(
            Code.INTERNAL,
            f"Expected prediction signature method_name to be one of {{{', '.join(_METHODS)}}}."
            f" Was: {signature.method_name}",
        )
    feeds, arrays = _inputs(signature, request)
    aliases = _output_aliases(signature, request.output_filter)
    names = {alias: signature.outputs[alias].name for alias in aliases}
    fetches = tuple(dict.fromkeys(names.values()))

    def respond(outputs: Sequence[Array]) -> Any:
        tensors = dict(zip(fetches, outputs, strict=True))
        response = predict_pb2.PredictResponse()
        fill_model_spec(response.model_spec, servable, signature_name)
        for alias, name in names.items():
            response.outputs[alias].CopyFrom(to_proto(tensors[name]))
            response.outputs[alias].tensor_shape.SetInParent()  # a scalar has a shape, too
        return response

    return Call("Predict", feeds, arrays, fetches, respond)


def fill_model_spec(spec: Any, servable: Servable, signature_name: str | None) -> None:
    """Says in a response's ModelSpec what it comes from; without a signature if that is None."""
    spec.name = servable.name
    if signature_name is not None:
        spec.signature_name = signature_name or DEFAULT_SIGNATURE
    spec.version.value = servable.version


def _inputs(signature: Any, request: Any) -> tuple[tuple[str, ...], tuple[Array, ...]]:
    sent, wanted = set(request.inputs), set(signature.inputs)
    if len(sent) > len(wanted) or (len(sent) < len(wanted) and not signature.defaults):
        raise invalid_argument(
            f"input size does not match signature: {len(sent)}!={len(wanted)}"
            f" len({_names(sent)}) != len({_names(wanted)}). Sent extra: {_names(sent - wanted)}."
            f" Missing but required: {_names(wanted - sent)}."
        )
    feeds: list[str] = []
    arrays: list[Array] = []
    for alias, info in sorted(signature.inputs.items()):
        proto = request.inputs.get(alias, signature.defaults.get(alias))
        if proto is None:
            raise invalid_argument(
                f"Signature input alias: {alias}(feed name: {info.name}) not found in request and"
                " no default value provided. Inputs expected to be in the request"
                f" {_names(request.inputs)}, or default input alias set:"
                f" {','.join(sorted(signature.defaults))}"
            )
        if proto.dtype != info.dtype:
            raise invalid_argument(
                f"Expects arg[{len(feeds)}] to be {type_name(info.dtype)} but"
                f" {type_name(proto.dtype)} is provided"
            )
        feeds.append(info.name)
        arrays.append(to_array(proto, alias))
    if not sent <= wanted:
        raise invalid_argument(
            f"Inputs contains invalid name. Used request inputs: {','.join(sorted(sent & wanted))},"
            f" request input: {','.join(sorted(sent))}"
        )
    return tuple(feeds), tuple(arrays)


def _output_aliases(signature: Any, output_filter: Sequence[str]) -> list[str]:
    aliases: list[str] = []
    for alias in output_filter:
        if alias not in signature.outputs:
            raise invalid_argument(
                f"output tensor alias not found in signature: {alias} Outputs expected to be in"
                f" the set {_names(signature.outputs)}."
            )
        if alias in aliases:
            raise invalid_argument(f"duplicate output tensor alias: {alias}")
        aliases.append(alias)
    return aliases or sorted(signature.outputs)


def _names(names: Iterable[str]) -> str:
    return f"{{{','.join(sorted(names))}}}"
