import numpy as np
import pytest
import tensorflow as tf
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.utils import config_util

from components.evaluate.config import EvaluateConfig
from components.evaluate.thresholds import eval_config
from components.evaluate.verdict import read_verdict


class _FixedModel(tf.Module):
    """Gives the probabilities that the Example carries under the model's own name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._key = name

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def evaluate(self, examples):
        features = {self._key: tf.io.FixedLenFeature([2], tf.float32)}
        return {"probabilities": tf.io.parse_example(examples, features)[self._key]}


def _example(label: int, seen: bool, **probabilities: list[float]) -> bytes:
    features = {
        "image/class": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
        "image/seen": tf.train.Feature(int64_list=tf.train.Int64List(value=[seen])),
        "image/label": tf.train.Feature(
            bytes_list=tf.train.BytesList(value=[(b"glioma", b"notumor")[label]])
        ),
    }
    for name, values in probabilities.items():
        features[name] = tf.train.Feature(float_list=tf.train.FloatList(value=values))
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def _evaluate(tmp_path, right: dict[str, int], config: EvaluateConfig, *, count: int = 20) -> str:
    """Evaluates models of which each has the given number of the images right."""
    data = str(tmp_path / "examples.gz")
    with tf.io.TFRecordWriter(data, "GZIP") as writer:
        for index in range(count):
            label = index % 2
            wrong_or_right = {
                name: np.eye(2)[label if index < number else 1 - label].tolist()
                for name, number in right.items()
            }
            writer.write(_example(label, index < 5, **wrong_or_right))
    models = []
    settings = config_util.update_eval_config_with_defaults(
        eval_config(config),
        has_baseline="baseline" in right,
        rubber_stamp=True,
    )
    for name in right:
        module = _FixedModel(name)
        path = str(tmp_path / name)
        tf.saved_model.save(module, path, signatures={"evaluate": module.evaluate})
        models.append(
            tfma.default_eval_shared_model(
                eval_saved_model_path=path,
                model_name=name if len(right) > 1 else "",
                eval_config=settings,
                rubber_stamp=len(right) == 1,
            )
        )
    output = str(tmp_path / "evaluation")
    tfma.run_model_analysis(
        eval_shared_model=models if len(models) > 1 else models[0],
        eval_config=settings,
        data_location=data,
        file_format="tfrecords",
        output_path=output,
    )
    return output


def test_figures_by_class_and_a_blessing(tmp_path):
    verdict = read_verdict(_evaluate(tmp_path, {"candidate": 19}, EvaluateConfig(min_accuracy=0.9)))
    assert verdict.blessed
    assert verdict.reasons == ()
    assert verdict.accuracy == pytest.approx(0.95)
    assert verdict.examples == 20
    assert verdict.accuracy_by_class == {
        "glioma": pytest.approx(1.0),
        "notumor": pytest.approx(0.9),
    }
    # The first five were seen in training; the one that is wrong is the last.
    assert (verdict.seen.accuracy, verdict.seen.examples) == (pytest.approx(1.0), 5)
    assert (verdict.novel.accuracy, verdict.novel.examples) == (pytest.approx(14 / 15), 15)


def test_too_low_an_accuracy_is_refused_in_words(tmp_path):
    verdict = read_verdict(_evaluate(tmp_path, {"candidate": 16}, EvaluateConfig(min_accuracy=0.9)))
    assert not verdict.blessed
    assert verdict.reasons == ("accuracy is 0.800; at least 0.900 is demanded",)


def test_a_drop_against_the_baseline_is_refused_in_words(tmp_path):
    config = EvaluateConfig(min_accuracy=0.5, max_accuracy_drop=0.01)
    verdict = read_verdict(_evaluate(tmp_path, {"candidate": 17, "baseline": 19}, config))
    assert not verdict.blessed
    assert verdict.accuracy == pytest.approx(0.85)
    assert verdict.reasons == (
        "accuracy lies 0.100 below the last blessed model's; at most 0.010 is allowed",
    )


def test_no_worse_than_the_baseline_is_blessed(tmp_path):
    config = EvaluateConfig(min_accuracy=0.5, max_accuracy_drop=0.0)
    verdict = read_verdict(_evaluate(tmp_path, {"candidate": 17, "baseline": 17}, config))
    assert verdict.blessed
