import numpy as np
import pytest
from keras.applications import vgg16

from components.errors import UsageError
from components.trainer.config import ModelConfig
from components.trainer.model import build_model

TOY = ModelConfig(weights="random", widths=(2, 3, 4, 5, 6), dense_units=7)


def _build(config: ModelConfig = TOY, **arguments):
    return build_model(config, **{"image_size": 32, "class_count": 4, "weights": None, **arguments})


def test_probabilities_sum_to_one():
    pixels = np.random.default_rng(0).integers(0, 255, (3, 32, 32, 3)).astype("float32")
    probabilities = _build()(pixels).numpy()
    assert probabilities.shape == (3, 4)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize(("count", "first"), [(0, None), (3, "block5_conv1"), (13, "block1_conv1")])
def test_only_the_last_convolutions_train(count, first):
    model = _build(TOY.model_copy(update={"trainable_convolutions": count}))
    trained = [layer.name for layer in model.layers if "conv" in layer.name and layer.trainable]
    assert len(trained) == count
    assert (trained or [None])[0] == first
    assert model.get_layer("dense").trainable


def test_unit_scaling_divides_by_255_and_imagenet_scaling_subtracts_the_mean():
    white = np.full((1, 32, 32, 3), 255, "float32")
    for scaling, levels in (("unit", [1, 1, 1]), ("imagenet", [131.32, 138.221, 151.061])):
        model = _build(TOY.model_copy(update={"input_scaling": scaling}))
        scaled = model.get_layer("scaling")(white)
        np.testing.assert_allclose(scaled[0, 0, 0], levels, rtol=1e-5)


def _published(base) -> dict[str, np.ndarray]:
    names = [layer.name for layer in base.layers if "conv" in layer.name]
    return {
        f"{name}/{part}": value
        for name in names
        for part, value in zip(("kernel", "bias"), base.get_layer(name).get_weights(), strict=True)
    }


@pytest.mark.slow
def test_features_equal_those_of_keras_applications():
    base = vgg16.VGG16(weights=None, include_top=False, input_shape=(32, 32, 3))
    model = _build(ModelConfig(), weights=_published(base))
    pixels = np.random.default_rng(0).integers(0, 255, (2, 32, 32, 3)).astype("float32")
    expected = base(vgg16.preprocess_input(pixels.copy())).numpy().reshape(2, -1)
    from keras import Model

    ours = Model(model.inputs, model.get_layer("flatten").output)(pixels).numpy()
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-4 * expected.max())


def test_weights_of_another_width_are_refused():
    weights = {
        "block1_conv1/kernel": np.zeros((3, 3, 3, 64), "float32"),
        "block1_conv1/bias": np.zeros(64, "float32"),
    }
    with pytest.raises(UsageError, match=r"block1_conv1 .*\(3, 3, 3, 2\)"):
        _build(weights=weights)
