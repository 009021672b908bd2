"""ModelSpec: which model a request means, and which one answered."""

from typing import Any

from serving.server.servable import DEFAULT_SIGNATURE, Servable


def fill_model_spec(spec: Any, servable: Servable, signature_name: str | None) -> None:
    """Says which model, version and signature a response comes from.

    Args:
        spec: The response's ModelSpec.
        servable: What answered.
        signature_name: What the request said; empty means the default one; None: says nothing.
    """
    spec.name = servable.name
    if signature_name is not None:
        spec.signature_name = signature_name or DEFAULT_SIGNATURE
    spec.version.value = servable.version
