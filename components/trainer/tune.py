"""TFX Tuner's entry point: looks for a better recipe, trial by trial, on cached features."""

import logging
import shutil
import time
from typing import Any

import keras_tuner
from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.engine.trial import TrialStatus
from keras_tuner.errors import FailedTrialError, FatalError
from keras_tuner.oracles import BayesianOptimizationOracle
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.components.tuner.component import TunerFnResult

from components.trainer.config import Recipe, Training, TuneConfig
from components.trainer.history import kept_epoch
from components.trainer.identity import identity, initial_weights
from components.trainer.training import DivergedError, fit

_LOG = logging.getLogger(__name__)
_OBJECTIVE = keras_tuner.Objective("val_loss", "min")


def tuner_fn(fn_args: FnArgs) -> TunerFnResult:
    """Prepares the search.

    Args:
        fn_args: Files and folders from TFX; `custom_config` has the fields of a `Training`.

    Returns:
        A tuner, and nothing to call it with: each trial reads the images itself.
    """
    config = Training.model_validate(fn_args.custom_config)
    tuner = _RecipeTuner(config, fn_args.train_files, fn_args.eval_files)
    return TunerFnResult(tuner=tuner, fit_kwargs={})


def search_space(recipe: Recipe, config: TuneConfig) -> keras_tuner.HyperParameters:
    """What trials may change, by the paths that settings have.

    Args:
        recipe: Its own values are the defaults.
        config: The bounds, which are widened to hold the recipe's own values.

    Returns:
        The space.
    """
    space = keras_tuner.HyperParameters()
    rate = recipe.train.learning_rate
    bounds = _around(rate, config.learning_rate)
    space.Float("train.learning_rate", *bounds, sampling="log", default=rate)
    for name in ("flatten_dropout", "dense_dropout"):
        share = getattr(recipe.model, name)
        space.Float(f"model.{name}", *_around(share, config.dropout), default=share)
    for name in ("dense_units", "trainable_convolutions"):
        own = getattr(recipe.model, name)
        choices = sorted({own, *getattr(config, name)})
        space.Choice(f"model.{name}", choices, default=own)
    return space


def _around(own: float, bounds: tuple[float, float]) -> tuple[float, float]:
    return min(own, *bounds), max(own, *bounds)


class _Oracle(BayesianOptimizationOracle):
    """Tries the recipe as it is first, and begins no trial when the time is over."""

    def __init__(self, recipe: Recipe, config: TuneConfig) -> None:
        super().__init__(
            objective=_OBJECTIVE,
            max_trials=config.trials,
            num_initial_points=max(2, config.trials // 2),
            seed=recipe.train.seed,
            hyperparameters=search_space(recipe, config),
        )
        self._seconds = 60 * config.minutes
        self._started = time.monotonic()

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        if not self.start_order[:-1] and not self.end_order:
            values = {one.name: one.default for one in self.hyperparameters.space}
            return {"status": TrialStatus.RUNNING, "values": values}
        if time.monotonic() - self._started > self._seconds:
            _LOG.info("the time for trials is over after %d of them", len(self.end_order))
            return {"status": TrialStatus.STOPPED, "values": None}
        found: dict[str, Any] = super().populate_space(trial_id)
        return found


class _RecipeTuner(BaseTuner):
    """A trial is a whole training; its score is the loss on eval of the weights that it keeps."""

    def __init__(self, config: Training, train_files: list[str], eval_files: list[str]) -> None:
        self._config = config
        self._files = train_files, eval_files
        weights = initial_weights(config.recipe.model.weights)
        super().__init__(
            oracle=_Oracle(config.recipe, config.tune),
            # What an interrupted search goes on from.
            directory=str(config.cache / "tuning"),
            project_name=identity(config, weights, train_files, eval_files),
        )

    def run_trial(self, trial: Any) -> float:
        number = len(self.oracle.end_order) + 1
        _LOG.info("trial %d of %d", number, self.oracle.max_trials)
        try:
            recipe = self._config.recipe.with_values(trial.hyperparameters.values)
            trained = fit(recipe, *self._files, self._config.cache)
        except DivergedError as error:
            raise FailedTrialError(str(error)) from error
        except Exception as error:
            # A lack of memory, for instance, says nothing of the recipe: no best one without it.
            raise FatalError(str(error)) from error
        shutil.rmtree(trained.state)
        kept = kept_epoch(trained.history, keep_best=recipe.train.keep_best)
        return trained.history["val_loss"][kept]

    def on_search_end(self) -> None:
        """Removes what only an interrupted search needs."""
        shutil.rmtree(self.project_dir, ignore_errors=True)
