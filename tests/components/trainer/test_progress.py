import logging

from components.trainer import progress
from components.trainer.progress import LogProgress


def test_rate_and_time_left_are_those_of_the_whole_training(monkeypatch, caplog):
    clock = iter([0.0, 10.0, 30.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    callback = LogProgress(images=100, batch_size=50)
    callback.set_params({"epochs": 4})
    with caplog.at_level(logging.INFO):
        callback.on_train_begin()
        callback.on_epoch_begin(0)
        callback.on_train_batch_end(0, {"accuracy": 0.5})
        callback.on_epoch_begin(1)
        callback.on_train_batch_end(0, {"accuracy": 0.75})
    assert caplog.messages == [
        "epoch 1/4, 50%, 5 images/s, about 1:10 left, accuracy 0.500",
        "epoch 2/4, 50%, 5 images/s, about 0:50 left, accuracy 0.750",
    ]
