"""What an interrupted training goes on from: weights, optimizer, figures, the best epoch so far."""

import json
import math
from pathlib import Path

import h5py
import keras

from components.trainer.history import History, kept_epoch
from components.whole_file import whole_file

_LAST, _BEST, _HISTORY = "last.weights.h5", "best.weights.h5", "history.json"
_EPOCHS = "epochs"


class Checkpoint(keras.callbacks.Callback):
    """Keeps a folder from which the same training goes on after the last whole epoch.

    Unlike Keras' BackupAndRestore, which writes weights and epoch to two files, it cannot be killed
    between them: the number of epochs stands in the file of the weights, which is written last.
    Early stopping is here too, as what it counts has to survive as well.
    """

    def __init__(self, folder: Path, *, patience: int | None) -> None:
        """Prepares the folder.

        Args:
            folder: Made if it does not exist; it belongs to this one training.
            patience: Epochs without a lower loss on eval after which training stops, or None.
        """
        super().__init__()
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._patience = patience
        self.history: History = {}
        self.diverged = False
        """Whether training was stopped because a loss was no longer a number."""

    def resume(self, model: keras.Model) -> int:
        """Gives a compiled model the state of the last whole epoch.

        Args:
            model: The model, built as it was then.

        Returns:
            How many epochs are done.
        """
        if not (self._folder / _LAST).exists():
            return 0
        model.optimizer.build(model.trainable_variables)
        model.load_weights(self._folder / _LAST)
        with h5py.File(self._folder / _LAST) as weights:
            done = int(weights.attrs[_EPOCHS])
        written: History = json.loads((self._folder / _HISTORY).read_text(encoding="utf-8"))
        self.history = {name: values[:done] for name, values in written.items()}
        return done

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Writes the state, unless the loss is no longer a number."""
        figures = {name: float(value) for name, value in (logs or {}).items()}
        if not all(math.isfinite(value) for value in figures.values()):
            self.diverged = self.model.stop_training = True
            return
        for name, value in figures.items():
            self.history.setdefault(name, []).append(value)
        text = json.dumps(self.history)
        with whole_file(self._folder / _HISTORY) as file:
            file.write_text(text, encoding="utf-8")
        if self.best_epoch == epoch:
            with whole_file(self._folder / _BEST) as file:
                self.model.save_weights(file)
        with whole_file(self._folder / _LAST) as file:
            self.model.save_weights(file)
            with h5py.File(file, "r+") as weights:
                weights.attrs[_EPOCHS] = epoch + 1
        self.model.stop_training = self.over

    @property
    def over(self) -> bool:
        """Whether the loss on eval has not fallen for as long as it is waited for."""
        if self._patience is None or not self.history:
            return False
        return len(self.history["loss"]) > self.best_epoch + self._patience

    @property
    def best_epoch(self) -> int:
        """The epoch with the least loss on eval, from 0."""
        return kept_epoch(self.history, keep_best=True)

    def take_best(self, model: keras.Model) -> None:
        """Gives the model the weights of the best epoch: their average, if there is one."""
        model.load_weights(self._folder / _BEST)
        model.optimizer.finalize_variable_values(model.trainable_variables)
