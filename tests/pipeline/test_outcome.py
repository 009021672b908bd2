import pytest
from trained import trained

from pipeline.outcome import describe


@pytest.mark.parametrize(
    ("keep_best", "words"),
    [
        (False, "eval accuracy 0.700 after 3 epochs"),
        (True, "eval accuracy 0.800 after 2 epochs"),
    ],
)
def test_the_accuracy_of_a_training_is_that_of_the_weights_it_kept(tmp_path, keep_best, words):
    assert describe(trained(tmp_path, keep_best=keep_best)) == words
