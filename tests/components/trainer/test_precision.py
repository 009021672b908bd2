import math

import pytest

from components.trainer import precision
from components.trainer.precision import resolve_precision


@pytest.fixture(autouse=True)
def _measured_anew(tmp_path, monkeypatch):
    """Nothing is known of the processor from before, and it has instructions for bfloat16."""
    monkeypatch.setattr(precision, "_PROCESSOR", tmp_path / "cpuinfo")
    precision._PROCESSOR.write_text("flags\t\t: fpu avx512_bf16 amx_bf16\n")
    precision._fastest.cache_clear()
    yield
    precision._fastest.cache_clear()


@pytest.mark.parametrize(
    ("seconds", "chosen"), [(0.4, "mixed_bfloat16"), (0.9, "float32"), (9.0, "float32")]
)
def test_bfloat16_must_be_clearly_faster(monkeypatch, seconds, chosen):
    times = {"float32": 1.0, "mixed_bfloat16": seconds}
    monkeypatch.setattr(precision, "_seconds", lambda *policies: {p: times[p] for p in policies})
    assert resolve_precision("auto") == chosen


def test_a_processor_without_bfloat16_is_not_measured(monkeypatch):
    monkeypatch.setattr(precision, "_seconds", lambda *_: pytest.fail("it was measured"))
    precision._PROCESSOR.write_text("flags\t\t: fpu avx2\n")
    assert resolve_precision("auto") == "float32"


def test_what_is_asked_for_is_taken():
    assert resolve_precision("mixed_float16") == "mixed_float16"


def test_a_training_step_is_measured():
    assert 0 < precision._seconds("float32")["float32"] < math.inf
