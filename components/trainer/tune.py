"""TFX Tuner's entry point: looks for a better recipe, trial by trial, on cached features."""

import hashlib
import json
import logging
import shutil
import time
from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.engine.trial import TrialStatus
from keras_tuner.errors import FailedTrialError, FatalError
from keras_tuner.oracles import BayesianOptimizationOracle
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.components.tuner.component import TunerFnResult

from components.trainer.config import TuneConfig
from components.trainer.history import kept_epoch
from components.trainer.recipe import Recipe
from components.trainer.training import DivergedError

_LOG = logging.getLogger(__name__)
_OBJECTIVE = keras_tuner.Objective("val_loss", "min")


def tuner_fn(fn_args: FnArgs) -> TunerFnResult:
    """Prepares the search.

    Args:
        fn_args: Files and folders from TFX; `custom_config` as the Trainer has it, and `tune`.

    Returns:
        A tuner, and nothing to call it with: each trial reads the images itself.
    """
    recipe = Recipe.read(fn_args.custom_config)
    config = TuneConfig.model_validate(fn_args.custom_config["tune"])
    tuner = _RecipeTuner(
        _Oracle(recipe, config),
        recipe,
        fn_args,
        # What an interrupted search goes on from.
        directory=str(Path(fn_args.custom_config["cache"]) / "tuning"),
        project_name=_identity(fn_args),
    )
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

    def __init__(self, oracle: _Oracle, recipe: Recipe, fn_args: FnArgs, **folders: str) -> None:
        self._recipe = recipe
        self._fn_args = fn_args
        self._cache = Path(fn_args.custom_config["cache"])
        super().__init__(oracle=oracle, **folders)

    def run_trial(self, trial: Any) -> float:
        number = len(self.oracle.end_order) + 1
        _LOG.info("trial %d of %d", number, self.oracle.max_trials)
        try:
            recipe = self._recipe.with_values(trial.hyperparameters.values)
            trained = recipe.fit(self._fn_args.train_files, self._fn_args.eval_files, self._cache)
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


def _identity(fn_args: FnArgs) -> str:
    """Tells one search from another."""
    inputs = [fn_args.custom_config, fn_args.train_files, fn_args.eval_files]
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:32]
