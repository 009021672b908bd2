import pytest

from components.trainer.complexity import complexity
from components.trainer.config import ModelConfig
from components.trainer.model import build_model


@pytest.mark.parametrize(("size", "gigaflops"), [(224, 30.7), (128, 10.0)])
def test_vgg16_costs_what_is_published(size, gigaflops):
    config = ModelConfig(weights="random", dense_units=1)
    model = build_model(config, image_size=size, class_count=2, weights=None)
    counts = complexity(model)
    assert counts["gigaflops_per_image"] == pytest.approx(gigaflops, rel=0.01)
    features = 512 * (size // 32) ** 2
    assert counts["parameters"] == 14_714_688 + features + 1 + 4
    assert counts["trained_parameters"] == 3 * (512 * 512 * 9 + 512) + features + 1 + 4
