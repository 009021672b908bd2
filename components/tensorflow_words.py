"""What TensorFlow says, without what only its developers understand."""

import re

_NODES = re.compile(
    r"^Graph execution error:.*<stack traces unavailable>\s*|\s*\[\[\{\{.*$|\{\{\w+ [^{}]*\}\}\s*",
    re.DOTALL,
)


def without_nodes(text: str) -> str:
    """An error of TensorFlow without where in a graph it says so.

    Args:
        text: Such as `{{function_node __inference_f_1}} Wrong. [[{{node Assert}}]]`.

    Returns:
        Such as `Wrong.`.
    """
    return _NODES.sub("", text)
