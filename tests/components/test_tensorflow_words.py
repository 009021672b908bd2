"""What TensorFlow says of an error, without what only its developers understand."""

import pytest

from components.tensorflow_words import without_nodes


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("{{function_node __f_91}} {{node Assert}} No image. [[{{node Assert}}]]", "No image."),
        ("No image.\n\t [[{{node a/b}}]]\n\t [[{{node c}}]] [Op:__inference_f_1]", "No image."),
        ("Graph execution error:\n\nDetected at x\n<stack traces unavailable>\nBad", "Bad"),
        ("shapes [[1,2]] and {x}", "shapes [[1,2]] and {x}"),
        ("", ""),
    ],
)
def test_names_of_nodes_are_not_shown(said, shown):
    assert without_nodes(said) == shown
