"""The tasks of a compiled pipeline, and what a rehearsal cannot run is refused by name."""

import pytest
from compiled import IMAGE, MOUNT, compile_shell, shell
from kfp import compiler, dsl, kubernetes

from components.errors import PipelineError
from kubeflow.backends import BACKENDS
from kubeflow.compiled import read_compiled
from kubeflow.dag import read_tasks


def tasks_of(out, pipeline):
    compiler.Compiler().compile(dsl.pipeline(name="toy")(pipeline), str(out))
    return read_tasks(read_compiled(out), BACKENDS[-1])


def mounted(name: str) -> dsl.PipelineTask:
    task = shell(name, "true")()
    kubernetes.mount_pvc(task, "claim", MOUNT)
    return task


@dsl.container_component
def takes(data: dsl.Input[dsl.Dataset]):
    return dsl.ContainerSpec(image=IMAGE, command=["true"], args=[data.path])


@dsl.container_component
def makes(data: dsl.Output[dsl.Dataset]):
    return dsl.ContainerSpec(image=IMAGE, command=["true"], args=[data.path])


@dsl.container_component
def says(word: dsl.OutputPath(str)):
    return dsl.ContainerSpec(image=IMAGE, command=["true"], args=[word])


def test_a_group_waits_as_a_whole_and_is_waited_for_as_a_whole(tmp_path):
    scripts = [("left", "true", []), ("right", "true", []), ("last", "true", ["left", "right"])]
    compiled = read_compiled(compile_shell(tmp_path / "p.yaml", scripts))
    tasks = {task.name: task for task in read_tasks(compiled, BACKENDS[-1])}
    assert list(tasks)[-2:] == ["last", "ending"]
    assert tasks["last"].after == {"left", "right"}
    assert tasks["ending"].after == {"left", "right", "last"}
    assert [name for name, task in tasks.items() if task.always] == ["ending"]


def loop():
    with dsl.ParallelFor([1, 2]):
        mounted("inside")


def condition(word: str = "yes"):
    with dsl.If(word == "yes"):
        mounted("inside")


def artifact():
    takes(data=makes().outputs["data"])


def imported():
    dsl.importer(artifact_uri="s3://a/b", artifact_class=dsl.Dataset)


def output():
    shell("reads", "true", {"word": str})(word=says().output)


def nothing_shared():
    shell("alone", "true")()


@pytest.mark.parametrize(
    ("pipeline", "said"),
    [
        (loop, r"for-loop-\d+ in .* is a loop, has a condition or takes an artifact"),
        (condition, r"condition-\d+ in .* is a loop, has a condition or takes an artifact"),
        (artifact, "takes in .* is a loop, has a condition or takes an artifact"),
        (imported, "importer in .* is of the kind importer, which"),
        (output, "reads in .* takes the output of another task"),
        (nothing_shared, "mounts no volume in any task"),
    ],
)
def test_what_tasks_that_share_storage_alone_cannot_do(tmp_path, pipeline, said):
    with pytest.raises(PipelineError, match=said):
        tasks_of(tmp_path / "pipeline.yaml", pipeline)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda text: text.replace(f"image: {IMAGE}", "image: ''"), "no image or no command"),
        (lambda text: text.replace("comp-first:", "comp-other:", 1), "compile"),
        (lambda text: text.replace("exec-first:", "exec-other:", 1), "compile"),
        (lambda text: text.replace("- first\n", "- nobody\n"), "second.* wait for each other, or"),
    ],
)
def test_a_file_that_was_edited(tmp_path, damage, said):
    scripts = [("first", "true", []), ("second", "true", ["first"])]
    file = compile_shell(tmp_path / "pipeline.yaml", scripts)
    whole = file.read_text()
    assert damage(whole) != whole
    file.write_text(damage(whole))
    with pytest.raises(PipelineError, match=said):
        read_tasks(read_compiled(file), BACKENDS[-1])
