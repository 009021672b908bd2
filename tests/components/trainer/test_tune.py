import json
from types import SimpleNamespace

import pytest
import tensorflow as tf
from keras_tuner.errors import FatalError
from pydantic import ValidationError
from transformed import SIZE, TOY, write_split

from components.errors import PipelineError
from components.trainer import tune
from components.trainer.config import Recipe, TrainConfig, Training, TuneConfig
from components.trainer.tune import tuner_fn
from components.transform.config import TransformConfig

pytestmark = pytest.mark.long

CLASSES = ("glioma", "notumor")
RECIPE = Recipe(
    model=TOY,
    train=TrainConfig(epochs=1, batch_size=8, precision="float32", learning_rate=1e-3),
    transform=TransformConfig(image_size=SIZE, crop="none"),
    classes=CLASSES,
)


@pytest.fixture
def fn_args(tmp_path):
    def make(classes=CLASSES, values=(), **bounds):
        recipe = RECIPE.with_values(dict(values)).model_copy(update={"classes": tuple(classes)})
        config = Training(
            recipe=recipe,
            cache=tmp_path / "cache",
            tune=TuneConfig(**{"trials": 3, "dense_units": (4,), **bounds}),
        )
        return SimpleNamespace(
            train_files=write_split(tmp_path / "train", 12),
            eval_files=write_split(tmp_path / "eval", 8, first=100),
            custom_config=config.model_dump(mode="json"),
        )

    return make


@pytest.fixture
def fits(monkeypatch, tmp_path):
    """The recipes of trials that train nothing, and what happens in the second one."""
    found = SimpleNamespace(recipes=[], losses=[1.0], second=None)

    def fit(recipe, *_):
        found.recipes.append(recipe)
        if len(found.recipes) == 2 and found.second:
            raise found.second
        state = tmp_path / "state"
        state.mkdir()
        return SimpleNamespace(history={"val_loss": found.losses}, state=state)

    monkeypatch.setattr(tune, "fit", fit)
    return found


def _search(fn_args):
    tuner = tuner_fn(fn_args).tuner
    tuner.search()
    return tuner


def test_the_first_trial_is_the_recipe_and_the_best_is_no_worse(fn_args, tmp_path):
    tuner = _search(fn_args(trials=2))
    trials = [tuner.oracle.trials[name] for name in sorted(tuner.oracle.trials)]
    assert len(trials) == 2
    first = RECIPE.with_values(trials[0].hyperparameters.values)
    assert first == RECIPE
    [best] = tuner.get_best_hyperparameters()
    scores = {json.dumps(trial.hyperparameters.values): trial.score for trial in trials}
    assert scores[json.dumps(best.values)] == min(scores.values()) <= trials[0].score
    assert not list((tmp_path / "cache" / "training").iterdir())
    assert not list((tmp_path / "cache" / "tuning").iterdir())


def test_no_trial_begins_when_the_time_is_over(fn_args, fits):
    assert len(_search(fn_args(minutes=1e-6)).oracle.trials) == len(fits.recipes) == 1


def test_an_interrupted_search_goes_on(fn_args, fits):
    fits.second = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        _search(fn_args())
    tuner = _search(fn_args())
    assert len(tuner.oracle.trials) == 3
    assert len(fits.recipes) == 4  # the first one is not done again
    assert fits.recipes[1] == fits.recipes[2]


def test_what_no_trial_can_mend_ends_the_search(fn_args):
    with pytest.raises(FatalError, match="no training image of pituitary"):
        _search(fn_args(classes=(*CLASSES, "pituitary")))


def test_a_trial_that_diverges_does_not_end_the_search(fn_args, fits):
    fits.second = tune.DivergedError("the loss is not a number")
    tuner = _search(fn_args())
    assert [trial.score is None for trial in tuner.oracle.trials.values()].count(True) == 1
    assert tuner.get_best_hyperparameters()


@pytest.mark.parametrize(("keep_best", "score"), [(False, 2.0), (True, 1.0)])
def test_a_trial_is_judged_by_the_weights_that_it_keeps(fn_args, fits, keep_best, score):
    fits.losses = [3.0, 1.0, 2.0]
    [trial] = _search(
        fn_args(trials=1, values={"train.keep_best": keep_best})
    ).oracle.trials.values()
    assert trial.score == score


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        tf.errors.ResourceExhaustedError(None, None, "no room for a tensor"),
    ],
)
def test_a_trial_that_lacks_room_says_nothing_of_its_recipe(fn_args, fits, error):
    fits.second = error
    with pytest.raises(FatalError, match=r"No space left|no room for a tensor"):
        _search(fn_args())


def test_the_first_trial_is_the_recipe_wherever_the_bounds_lie(fn_args, fits):
    values = {"model.flatten_dropout": 0.0, "train.learning_rate": 0.01}
    _search(fn_args(trials=1, values=values))
    assert fits.recipes == [RECIPE.with_values(values)]


@pytest.mark.parametrize(
    "bounds",
    [
        {"dropout": (0.1, 1.5)},
        {"dropout": (0.5, 0.1)},
        {"learning_rate": (0, 1e-3)},
        {"dense_units": (0,)},
        {"trainable_convolutions": (20,)},
    ],
)
def test_bounds_that_no_recipe_can_have_are_refused(bounds):
    with pytest.raises(ValidationError, match=next(iter(bounds))):
        TuneConfig(**bounds)


@pytest.mark.parametrize("values", [{"train.nothing": 1}, {"model.dense_units": -3}, {"x": 1}])
def test_hyperparameters_of_another_project_are_refused(values):
    with pytest.raises(PipelineError, match="hyperparameters"):
        RECIPE.with_values(values)
