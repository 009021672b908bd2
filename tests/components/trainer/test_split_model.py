import keras
import numpy as np
import pytest
from transformed import SIZE, toy_model

from components.trainer.split_model import split_model, take_weights

pytestmark = pytest.mark.long


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (4, SIZE, SIZE, 3)).astype("float32")


def _through(parts, pixels: np.ndarray) -> np.ndarray:
    return parts.tail(parts.prefix(pixels) if parts.prefix else pixels).numpy()


@pytest.mark.parametrize(
    ("trainable", "cut"),
    [(0, "block5_pool"), (3, "block4_pool"), (5, "block4_conv1"), (6, "block3_pool"), (13, "")],
)
def test_the_parts_in_turn_give_what_the_whole_gives(trainable, cut, pixels):
    model = toy_model(trainable)
    parts = split_model(model, "float32")
    assert parts.cut == cut
    np.testing.assert_allclose(_through(parts, pixels), model(pixels).numpy(), atol=1e-6)
    assert parts.prefix is None or not parts.prefix.trainable_weights
    assert len(parts.tail.trainable_weights) == len(model.trainable_weights)


def test_in_bfloat16_probabilities_stay_close_and_weights_stay_exact(pixels):
    model = toy_model()
    parts = split_model(model, "mixed_bfloat16")
    assert parts.prefix.output.dtype == "bfloat16"
    assert parts.tail.output.dtype == "float32"
    assert {weight.dtype for weight in parts.tail.weights if "seed" not in weight.path} == {
        "float32"
    }
    np.testing.assert_allclose(_through(parts, pixels), model(pixels).numpy(), atol=0.02)


def test_the_whole_takes_what_the_tail_has_learnt(pixels):
    model = toy_model()
    parts = split_model(model, "float32")
    parts.tail.compile(keras.optimizers.Adam(0.01), "categorical_crossentropy")
    features = parts.prefix(pixels)
    before = model(pixels).numpy()
    parts.tail.fit(features, np.eye(2)[[0, 1, 0, 1]], epochs=3, verbose=0)
    np.testing.assert_allclose(model(pixels).numpy(), before)
    take_weights(model, parts.tail)
    np.testing.assert_allclose(_through(parts, pixels), model(pixels).numpy(), atol=1e-6)
    assert abs(model(pixels).numpy() - before).max() > 0.01
