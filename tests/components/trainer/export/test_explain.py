import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from scipy.stats import spearmanr

from components.trainer.confidence.observations import observer
from components.trainer.config import ModelConfig
from components.trainer.export.explain import Explainer, overlay
from components.trainer.model import build_model

pytestmark = pytest.mark.long

TOY = ModelConfig(weights="random", widths=(4, 4, 8, 8, 8), dense_units=8)


@pytest.fixture(scope="module")
def model():
    """Trained to tell whether a bright square on noise is there."""
    keras.utils.set_random_seed(3)
    model = build_model(
        TOY.model_copy(update={"trainable_convolutions": 13}),
        image_size=64,
        class_count=2,
        weights=None,
    )
    pixels, labels, _ = _squares(128, seed=0)
    model.compile(keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy")
    model.fit(pixels, labels, batch_size=16, epochs=8, verbose=0)
    return model


def _squares(count: int, seed: int):
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 60, (count, 64, 64, 1)).repeat(3, axis=3).astype("float32")
    labels, masks = np.arange(count) % 2, np.zeros((count, 64, 64), bool)
    for index in np.flatnonzero(labels):
        row, column = random.integers(0, 44, 2)
        masks[index, row : row + 20, column : column + 20] = True
    pixels[masks] = 220
    return pixels, labels, masks


def test_heat_lies_on_what_decides(model):
    pixels, labels, masks = _squares(32, seed=1)
    explanation = Explainer(model)(tf.constant(pixels))
    found = (explanation.logits.numpy().argmax(axis=1) == 1) & (labels == 1)
    assert found.sum() >= 12
    heat = explanation.heat.numpy()[found]
    inside = (heat * masks[found]).sum(axis=(1, 2)) / heat.sum(axis=(1, 2))
    assert (inside / masks[found].mean(axis=(1, 2))).mean() >= 2
    np.testing.assert_allclose(heat.max(axis=(1, 2)), 1, rtol=1e-5)


def test_logits_and_features_are_those_of_the_observer(model):
    pixels = tf.constant(_squares(4, seed=2)[0])
    explanation, observed = Explainer(model)(pixels), observer(model)(pixels)
    np.testing.assert_allclose(explanation.logits, observed["logits"], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(explanation.features, observed["features"], rtol=1e-4, atol=1e-4)


def _copy(model, change, *layers: str):
    """The model with the weights of some layers changed."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    for name in layers:
        layer = copy.get_layer(name)
        layer.set_weights([change(weight) for weight in layer.get_weights()])
    return copy


def test_a_network_without_evidence_has_no_heat(model):
    silent = _copy(model, np.zeros_like, "dense")
    heat = Explainer(silent)(tf.constant(_squares(3, seed=2)[0])).heat.numpy()
    assert not heat.any()


def test_heat_is_about_what_was_learnt_and_not_the_image_alone(model):
    """Weights of the top layers swap places: the sanity check of Adebayo and others, 2018."""
    random = np.random.default_rng(0)
    pixels = tf.constant(_squares(24, seed=1)[0][1::2])
    forgetful = _copy(
        model,
        lambda weight: random.permutation(weight.ravel()).reshape(weight.shape),
        *("probabilities", "dense", "block5_conv3", "block5_conv2", "block5_conv1"),
    )
    heats = [Explainer(each)(pixels).heat.numpy().reshape(12, -1) for each in (model, forgetful)]
    correlations = [spearmanr(*pair).statistic for pair in zip(*heats, strict=True)]
    assert np.nan_to_num(correlations).mean() < 0.5


def test_the_overlay_is_the_image_where_it_is_cold_and_coloured_where_it_is_hot(tmp_path):
    pixels = np.full((1, 4, 4, 3), 100, np.uint8)
    heat = np.zeros((1, 4, 4), np.float32)
    heat[0, 0, 0] = heat[0, 3, 3] = 1
    head = np.ones((1, 4, 4), bool)
    head[0, 3, 3] = False
    path = tmp_path / "overlay.png"
    path.write_bytes(overlay(*map(tf.constant, (pixels, heat, head))).numpy()[0])
    painted = np.asarray(Image.open(path))
    assert painted[1:].tolist() == pixels[0, 1:].tolist()
    red, green, blue = painted[0, 0]
    assert red > 180
    assert green > 180
    assert blue < 50
