import json

import pytest

from components.errors import UsageError
from pipeline.config import load_config, parse_setting, preset_names, tuned_settings


@pytest.mark.parametrize("preset", preset_names())
def test_every_preset_is_valid(preset):
    assert load_config(preset).name == "brain_mri"


def test_the_notebook_preset_is_the_notebooks_recipe():
    config = load_config("notebook")
    assert config.transform.crop == "none"
    assert config.transform.image_size == 128
    assert config.ingest.split_policy == "as_is"
    assert (config.train.epochs, config.train.batch_size) == (5, 20)
    assert config.train.learning_rate == pytest.approx(1e-4)
    assert config.model.trainable_convolutions == 3
    assert config.model.input_scaling == "unit"


def test_settings_override_the_preset():
    texts = ["train.epochs=7", "model.widths=[1, 2, 3, 4, 5]", "cache=false"]
    config = load_config("ci", map(parse_setting, texts))
    assert config.train.epochs == 7
    assert config.model.widths == (1, 2, 3, 4, 5)
    assert config.cache is False
    assert config.transform.image_size == load_config("ci").transform.image_size


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (["train.epoch=3"], "There is no setting 'train.epoch'; did you mean 'epochs'?"),
        (["trian.epochs=3"], "did you mean 'train'?"),
        (
            ["evaluate.thresholds=[{metric: accuracy, mn: 0.5}]"],
            "There is no setting 'evaluate.thresholds.0.mn'; did you mean 'min'?",
        ),
        (["train.epochs=0"], "train.epochs=0 is refused"),
        (["train.epochs=many"], "train.epochs='many' is refused"),
        (["transform.image_size=31"], "transform.image_size=31 is refused"),
        (["model.widths=[1, 2]"], "model.widths"),
        (["train.learning_rate=.nan"], "train.learning_rate"),
        (["train.learning_rate=-1"], "train.learning_rate=-1 is refused"),
        (["model.trainable_convolutions=14"], "model.trainable_convolutions=14 is refused"),
        (["model.trainable_convolutions=-1"], "model.trainable_convolutions=-1 is refused"),
        (["train"], "not of the form KEY=VALUE"),
        (["=3"], "not of the form KEY=VALUE"),
        (
            ["train=[unclosed"],
            "The value of --set 'train=[unclosed' is not valid YAML: a bracket is not closed.",
        ),
        (["train={epochs: 3, epochs: 4}"], "the key 'epochs' is given twice"),
        (["sample.seed=2026-13-45"], "is not valid YAML"),
        (["name.first=3"], "name"),
        (["cache.x=1"], "cache"),
        (["name=../../etc"], "name='../../etc' is refused"),
        (["accept_anomalies=[drift]"], "needs --reason TEXT"),
        (["accept_anomalies=[drift]", "accept_reason='  \n'"], "needs --reason TEXT"),
        (
            ["accept_anomalies=[leak, 'drfit:image/mean']", "accept_reason=new scanner"],
            "accept_anomalies.1='drfit:image/mean' is refused: the gate has no finding named "
            "'drfit:image/mean'; did you mean 'drift'?",
        ),
        (["gate.severity={drfit: warn}"], "gate.severity.drfit='drfit' is refused: the gate"),
    ],
)
def test_wrong_settings_are_refused_in_words(settings, says):
    with pytest.raises(UsageError) as error:
        load_config("ci", map(parse_setting, settings))
    assert says in str(error.value)


def test_an_unknown_preset_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'sample'"):
        load_config("smaple")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"train: [", ", line 1: a bracket is not closed."),
        (b"a: {b: 1", ", line 1: a bracket is not closed."),
        (b"train:\n  epochs: 3\nname: 'x\n", ", line 3: a quotation mark is not closed."),
        (b'name: "x\n\ncache: true\n', ", line 1: a quotation mark is not closed."),
        (b"train:\n\tepochs: 3\n", ", line 2: indent with spaces, not with tabs."),
        (b"train:\n  epochs: 3\n  epochs: 4\n", ", line 3: the key 'epochs' is given twice."),
        (b"name: a: b", ", line 1: a colon in a value: put the value in quotation marks."),
        (b"train:\n    epochs: 3\n  seed: 1\n", ", line 3: the indentation differs from that"),
        (b"train:\nepochs\nname: x\n", ", line 2: a key without a colon behind it."),
        (b"name: *mine", ", line 1: it refers to a name that it does not define (*mine)."),
        (b"a: 1\n? {a: 1}\n: 1", ", line 2: a key must be text."),
        (b"name: a\n---\nname: b\n", ", line 2: it holds several documents"),
        (b"name: \x01", "it holds a character that is not text"),
        (b"- a list", "must be a mapping of keys to values, as in name: value; it is a list."),
        (b"only words", "must be a mapping of keys to values, as in name: value; it is text."),
        (b"\xff\xfe\x00", "it is not text in UTF-8."),
        (b"name: x\ndata: \xe9\n", ", line 2: it is not text in UTF-8."),
        (b"sample: {seed: 2026-13-45}", ", line 1: '2026-13-45' cannot be read as a value"),
        (b"[" * 3000, "it is nested too deeply"),
        (b"trane: {epochs: 3}", "did you mean 'train'"),
        (
            b"a: !!python/object/apply:os.system ['true']",
            ", line 1: values with a tag (!) are not read.",
        ),
    ],
)
def test_a_preset_file_may_be_wrong(tmp_path, content, says):
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    with pytest.raises(UsageError) as error:
        load_config(str(path))
    said = str(error.value)
    assert says in said
    assert str(path) in said
    assert "\n" not in said


def test_a_folder_is_no_preset_file(tmp_path):
    (tmp_path / "mine.yaml").mkdir()
    with pytest.raises(UsageError, match=r"mine\.yaml cannot be read: it is a folder\."):
        load_config(str(tmp_path / "mine.yaml"))


def test_a_preset_file_may_be_empty_or_missing(tmp_path):
    (tmp_path / "empty.yaml").write_text("")
    assert load_config(str(tmp_path / "empty.yaml")).train.epochs > 0
    with pytest.raises(UsageError, match="cannot be read"):
        load_config(str(tmp_path / "missing.yaml"))


def test_what_a_tuner_found_becomes_settings(tmp_path):
    found = {"space": [], "values": {"train.learning_rate": 0.0003, "model.dense_units": 64}}
    (tmp_path / "best_hyperparameters.txt").write_text(json.dumps(found))
    config = load_config("ci", tuned_settings(tmp_path))
    assert (config.train.learning_rate, config.model.dense_units) == (0.0003, 64)


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"values": 3}'])
def test_a_folder_without_hyperparameters_is_named(tmp_path, content):
    if content is not None:
        (tmp_path / "best_hyperparameters.txt").write_text(content)
    with pytest.raises(UsageError, match="holds no hyperparameters"):
        tuned_settings(tmp_path)
