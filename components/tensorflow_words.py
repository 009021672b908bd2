"""What TensorFlow says, without what only its developers understand."""

import re

_NODES = re.compile(r"\s*\[\[\{\{[^{}]*\}\}\]\]|\{\{\w+ [^{}]*\}\}\s*")


def without_nodes(text: str) -> str:
    """An error of TensorFlow without the names of a graph's nodes and functions.

    Args:
        text: Such as `{{function_node __inference_f_1}} Wrong. [[{{node Assert}}]]`.

    Returns:
        Such as `Wrong.`.
    """
    return _NODES.sub("", text)
