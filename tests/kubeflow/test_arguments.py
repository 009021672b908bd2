import pytest
from kfp.pipeline_spec.pipeline_spec_pb2 import ParameterType

from components.errors import UsageError
from kubeflow.arguments import read_values
from kubeflow.compiled import read_compiled


def test_the_file_says_which_parameters_there_are_and_of_which_type(compiled):
    pipeline = read_compiled(compiled)
    assert pipeline.name == "brain-mri"
    types = {
        name: ParameterType.ParameterTypeEnum.Name(one.parameter_type)
        for name, one in pipeline.parameters.items()
    }
    assert types == {
        "data": "STRING",
        "span": "NUMBER_INTEGER",
        "min_accuracy": "NUMBER_DOUBLE",
        "cache": "BOOLEAN",
        "classes": "LIST",
    }


def test_values_get_the_declared_types(compiled):
    texts = ["data=a=b", "span=7", "min_accuracy=1e-1", "cache=False", 'classes=["a", "b"]']
    values = read_values(read_compiled(compiled), texts)
    assert values == {
        "data": "a=b", "span": 7, "min_accuracy": 0.1, "cache": False, "classes": ["a", "b"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        (["data=x", "spam=7"], "has no parameter 'spam'; did you mean 'span'?"),
        (["data=x", "zzz=7"], "known are cache, classes, data, min_accuracy, span."),
        (["data=x", "span=seven"], "span='seven' must be a whole number"),
        (["data=x", "span=7.0"], "must be a whole number"),
        (["data=x", "min_accuracy=high"], "must be a number"),
        (["data=x", "min_accuracy=nan"], "must be a number"),
        (["data=x", "cache=1"], "must be true or false"),
        (["data=x", "classes={}"], "must be a JSON list"),
        (["data=x", "classes=glioma"], "must be a JSON list"),
        (["data"], "NAME=VALUE"),
        (["span=7"], "needs a value for data: give --param data=VALUE"),
    ],
)
def test_what_the_file_does_not_declare_is_refused(compiled, texts, says):
    with pytest.raises(UsageError) as refused:
        read_values(read_compiled(compiled), texts)
    assert says in str(refused.value)


def test_the_files_defaults_are_filled_in_as_a_server_does(compiled):
    values = read_values(read_compiled(compiled), ["data=x", "cache=false"])
    assert values == {
        "data": "x", "span": 3, "min_accuracy": 0.5, "cache": False, "classes": ["glioma"],
    }  # fmt: skip
    assert isinstance(values["span"], int)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("nothing.yaml", None, "cannot be read"),
        ("pipeline.txt", "root: {}", "as a .yaml file"),
        ("image.yaml", b"\x89PNG\xff", "not a complete pipeline"),
        ("empty.yaml", "", "not a complete pipeline"),
        ("preset.yaml", "train: {epochs: 3}", "not a complete pipeline"),
        ("argo.yaml", "kind: Workflow", "not a complete pipeline"),
        ("new.yaml", "pipelineInfo: {name: x}\nroot: {whatIsThis: 3}", "not a PipelineSpec"),
    ],
)
def test_other_files_are_refused(tmp_path, name, content, says):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UsageError, match=says):
        read_compiled(path)
