import json

import pytest
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.launch import NodeResult
from pipeline.outcome import describe


@pytest.mark.parametrize(
    ("keep_best", "words"),
    [
        (False, "eval accuracy 0.700 after 3 epochs"),
        (True, "eval accuracy 0.800 after 2 epochs"),
    ],
)
def test_the_accuracy_of_a_training_is_that_of_the_weights_it_kept(tmp_path, keep_best, words):
    history = {"val_loss": [0.9, 0.4, 0.6], "val_accuracy": [0.5, 0.8, 0.7]}
    (tmp_path / "history.json").write_text(json.dumps(history))
    extras = tmp_path / "Format-Serving" / "assets.extra"
    extras.mkdir(parents=True)
    metadata = {"recipe": {"train": {"keep_best": keep_best}}}
    (extras / "metadata.json").write_text(json.dumps(metadata))
    model = pb.Artifact(uri=str(tmp_path))
    assert describe(NodeResult("Trainer", "done", 1.0, {"model": [model]})) == words
