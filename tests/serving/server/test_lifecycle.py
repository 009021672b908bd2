"""The life of a model: versions, polling, labels, reload, warm-up, damage."""

import asyncio
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import gates
import grpc
import numpy as np
import pytest
import tensorflow as tf
import toy_servables
from gates import Gate, past
from google.protobuf import text_format
from model_server import HANGS, Server, running_server, spec, wait_until, write_config
from tensorflow_serving.apis import (
    model_management_pb2,
    predict_pb2,
    prediction_log_pb2,
)

from serving.server.configuration import read_configuration
from serving.server.core import ServerCore
from serving.server.flags import parse_flags
from serving.server.grpc_services import Health
from serving.server.lifecycle import Lifecycle
from serving.server.serve import keep_models

pytestmark = pytest.mark.long

X = {"x": np.float32([0.0])}
FAST = ("--load_retry_interval_micros=50000", "--max_num_load_retries=1")


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose configuration each test replaces."""
    folder = tmp_path_factory.mktemp("live")
    config = write_config(folder / "models.config", {"idle": folder / "idle"})
    flags = [f"--model_config_file={config}", "--model_config_file_poll_wait_seconds=1"]
    with running_server(folder, *flags, *FAST, gates.ROOM) as running:
        running.config = config
        yield running


def push(base: Path, version: int | str, template: Path) -> Path:
    """Copies a version in beside its base path and renames it, as the Pusher does."""
    base.mkdir(parents=True, exist_ok=True)
    temporary = base / f"_{version}"
    shutil.copytree(template, temporary)
    return temporary.rename(base / str(version))


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Templates: y = x / 2 + 1, and so on; the value at 0 tells them apart."""
    root = tmp_path_factory.mktemp("templates")
    for number in (1, 2, 3):
        toy_servables.write_half_plus(root / str(number), float(number))
    return root


def reload(server: Server, *configs: str) -> None:
    request = model_management_pb2.ReloadConfigRequest()
    for text in configs:
        config = request.config.model_config_list.config.add()
        text_format.Parse(text, config)
    server.models.HandleReloadConfigRequest(request, HANGS)


def look(server: Server, canary: Path, half: Path) -> None:
    """Waits until the folders of all models have been looked at, those before `canary` first.

    Two new versions of it are loaded: who looked when the first came may have begun before.
    """
    push(canary, 2, half / "2")
    server.wait_for({2: "AVAILABLE"}, "canary")
    push(canary, 3, half / "3")
    server.wait_for({3: "AVAILABLE"}, "canary")


def value(server: Server, name: str, **version) -> float:
    return server.predict(X, name, **version).outputs["y"].float_val[0]


def entry(name: str, base: Path, more: str = "") -> str:
    return f'name: "{name}" base_path: "{base}" model_platform: "tensorflow" {more}'


def test_latest_is_the_default_and_a_new_version_replaces_the_old_one(live, half, tmp_path):
    push(tmp_path / "m", "0007", half / "1")
    push(tmp_path / "m", "not-a-version", half / "3")
    (tmp_path / "m" / "99").write_text("a file is no version")
    reload(live, entry("m", tmp_path / "m"))
    assert live.status("m") == {7: "AVAILABLE"}
    assert value(live, "m") == 1
    push(tmp_path / "m", 8, half / "2")
    live.wait_for({7: "END", 8: "AVAILABLE"}, "m")
    assert (value(live, "m"), value(live, "m", version=8)) == (2, 2)
    assert list(live.status("m")) == [8, 7]
    with pytest.raises(grpc.RpcError, match=r"Specific\(m, 7\)"):
        value(live, "m", version=7)


def test_a_removed_version_gives_way_to_the_one_before(live, half, tmp_path):
    push(tmp_path / "m", 1, half / "1")
    newest = push(tmp_path / "m", 2, half / "2")
    reload(live, entry("back", tmp_path / "m"))
    assert value(live, "back") == 2
    shutil.rmtree(newest)
    live.wait_for({1: "AVAILABLE", 2: "END"}, "back")
    assert value(live, "back") == 1


def test_policies_all_several_and_specific(live, half, tmp_path):
    for number in (1, 2, 3):
        push(tmp_path / "m", number, half / str(number))
    reload(live, entry("p", tmp_path / "m", "model_version_policy { all {} }"))
    live.wait_for({1: "AVAILABLE", 2: "AVAILABLE", 3: "AVAILABLE"}, "p")
    assert [value(live, "p", version=n) for n in (1, 2, 3)] == [1, 2, 3]
    assert value(live, "p") == 3
    reload(live, entry("p", tmp_path / "m", "model_version_policy { latest { num_versions: 2 } }"))
    live.wait_for({1: "END", 2: "AVAILABLE", 3: "AVAILABLE"}, "p")
    policy = "model_version_policy { specific { versions: 1 versions: 3 } }"
    reload(live, entry("p", tmp_path / "m", policy))
    live.wait_for({1: "AVAILABLE", 2: "END", 3: "AVAILABLE"}, "p")


def test_a_missing_base_path_unloads_nothing_and_an_empty_one_all(live, half, tmp_path):
    push(tmp_path / "m", 1, half / "1")
    push(tmp_path / "canary", 1, half / "1")
    reload(live, entry("gone", tmp_path / "m"), entry("canary", tmp_path / "canary"))
    (tmp_path / "m").rename(tmp_path / "away")
    look(live, tmp_path / "canary", half)
    assert value(live, "gone") == 1
    (tmp_path / "m").mkdir()
    live.wait_for({1: "END"}, "gone")
    with pytest.raises(grpc.RpcError) as caught:
        value(live, "gone")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    push(tmp_path / "m", 1, half / "2")
    live.wait_for({1: "AVAILABLE"}, "gone")
    assert value(live, "gone") == 2


def test_labels(live, half, tmp_path):
    for number in (1, 2):
        push(tmp_path / "m", number, half / str(number))
    policy = "model_version_policy { all {} }"
    reload(live, entry("l", tmp_path / "m", policy))
    live.wait_for({1: "AVAILABLE", 2: "AVAILABLE"}, "l")
    labels = "version_labels { key: 'stable' value: 1 } version_labels { key: 'canary' value: 2 }"
    reload(live, entry("l", tmp_path / "m", f"{policy} {labels}"))
    assert (value(live, "l", label="stable"), value(live, "l", label="canary")) == (1, 2)
    assert live.status("l", label="stable") == {1: "AVAILABLE"}
    assert live.rest("/v1/models/l/labels/stable:predict", {"instances": [0.0]}) == (
        200,
        '{\n    "predictions": [1.0\n    ]\n}',
    )
    with pytest.raises(grpc.RpcError) as caught:
        reload(live, entry("l", tmp_path / "m", f"{policy} version_labels {{ key: 'x' value: 9 }}"))
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert caught.value.details() == (
        "Request to assign label to version 9 of model l,"
        " which is not currently available for inference"
    )
    assert value(live, "l", label="stable") == 1


def test_a_reload_whose_label_is_refused_changes_nothing(live, half, tmp_path):
    for number in (1, 2):
        push(tmp_path / "m", number, half / str(number))
    push(tmp_path / "canary", 1, half / "1")
    canary = entry("canary", tmp_path / "canary")
    old = "model_version_policy { specific { versions: 1 } } version_labels { key: 's' value: 1 }"
    reload(live, entry("r", tmp_path / "m", old), canary)
    new = "model_version_policy { specific { versions: 2 } } version_labels { key: 's' value: 2 }"
    with pytest.raises(grpc.RpcError, match="assign label to version 2 of model r"):
        reload(live, entry("r", tmp_path / "m", new), canary)
    look(live, tmp_path / "canary", half)
    assert live.status("r") == {1: "AVAILABLE"}
    assert value(live, "r", label="s") == 1


def test_reload_replaces_the_models_and_waits_for_the_new_ones(live, half, tmp_path):
    push(tmp_path / "a", 1, half / "1")
    push(tmp_path / "b", 1, half / "2")
    reload(live, entry("a", tmp_path / "a"))
    reload(live, entry("b", tmp_path / "b"))
    assert value(live, "b") == 2
    live.wait_for({1: "END"}, "a")
    with pytest.raises(grpc.RpcError) as caught:
        reload(live, entry("a", tmp_path / "a"), entry("a", tmp_path / "b"))
    assert caught.value.details() == "Illegal to list model a multiple times in config list"
    assert value(live, "b") == 2


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ('name: "a" base_path: "/a" model_platform: "caffe"', "unsupported platform caffe"),
        (
            'name: "a" base_path: "/a" model_platform: "tensorflow" model_type: TENSORFLOW',
            "Illegal setting both",
        ),
        ('name: "a" base_path: "/a"', "Illegal setting neither"),
        ('model_platform: "tensorflow"', "needs a name"),
    ],
)
def test_reload_refuses(live, config, text):
    with pytest.raises(grpc.RpcError, match=text):
        reload(live, config)
    with pytest.raises(grpc.RpcError, match="Only ModelConfigList is currently supported"):
        live.models.HandleReloadConfigRequest(model_management_pb2.ReloadConfigRequest())


def test_the_configuration_file_is_read_again(live, half, tmp_path):
    push(tmp_path / "f", 1, half / "3")
    write_config(live.config, {"from_file": tmp_path / "f"})
    live.wait_for({1: "AVAILABLE"}, "from_file")
    assert value(live, "from_file") == 3
    live.config.write_text("not a configuration")
    wait_until(lambda: "stays as it is" in live.log.read_text())
    assert value(live, "from_file") == 3


def damage_nothing_there(path: Path) -> None:
    shutil.rmtree(path)
    path.mkdir()


def damage_graph(path: Path) -> None:
    graph = path / "saved_model.pb"
    graph.write_bytes(graph.read_bytes()[: graph.stat().st_size // 2])


def damage_random(path: Path) -> None:
    (path / "saved_model.pb").write_bytes(np.random.default_rng(0).bytes(5000))


def damage_variables(path: Path) -> None:
    data = path / "variables" / "variables.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:3])


def damage_index(path: Path) -> None:
    (path / "variables" / "variables.index").unlink()


@pytest.mark.parametrize(
    "damage",
    [damage_nothing_there, damage_graph, damage_random, damage_variables, damage_index],
)
def test_beside_a_damaged_version_the_good_one_goes_on(live, half, tmp_path, damage):
    push(tmp_path / "m", 1, half / "1")
    name = damage.__name__
    reload(live, entry(name, tmp_path / "m"))
    shutil.copytree(half / "2", tmp_path / "broken")
    damage(tmp_path / "broken")
    push(tmp_path / "m", 2, tmp_path / "broken")
    live.wait_for({1: "AVAILABLE", 2: "END"}, name)
    assert value(live, name) == 1
    status, text = live.rest(f"/v1/models/{name}/versions/2")
    assert status == 200
    assert '"error_code": "OK"' not in text
    assert '"error_message": ""' not in text
    push(tmp_path / "m", 3, half / "3")
    live.wait_for({1: "END", 3: "AVAILABLE"}, name)
    assert value(live, name) == 3


def test_a_load_is_tried_again(live, half, tmp_path):
    (tmp_path / "m" / "1").mkdir(parents=True)
    waiting = threading.Thread(target=reload, args=(live, entry("again", tmp_path / "m")))
    waiting.start()
    wait_until(lambda: "Loading again version 1 failed, try 1 of 2" in live.log.read_text())
    with pytest.raises(grpc.RpcError):
        value(live, "again")
    waiting.join(HANGS)
    assert live.log.read_text().count("Loading again version 1 failed") == 2


def test_a_model_that_cannot_be_loaded_fails_its_reload(live, tmp_path):
    (tmp_path / "m" / "4").mkdir(parents=True)
    with pytest.raises(grpc.RpcError) as caught:
        reload(live, entry("never", tmp_path / "m"))
    assert caught.value.details().startswith(
        "1 model(s) did not become available: {{{name: never version: 4} due to error: NOT_FOUND: "
    )


def warm_up_record(kind: str = "predict_log", signature: str = "", x: float = 1.0) -> bytes:
    log = prediction_log_pb2.PredictionLog()
    if kind == "predict_log":
        request = predict_pb2.PredictRequest(model_spec=spec("any", signature))
        request.inputs["x"].CopyFrom(tf.make_tensor_proto([x]))
        log.predict_log.request.CopyFrom(request)
    else:
        request = getattr(log, kind).request
        if kind == "multi_inference_log":
            task = request.tasks.add(method_name="tensorflow/serving/regress")
            task.model_spec.name, task.model_spec.signature_name = "any", "regress"
        else:
            request.model_spec.signature_name = kind.partition("_")[0]
        request.input.example_list.examples.add().features.feature["x"].float_list.value.append(x)
    return log.SerializeToString()


KINDS = ("predict_log", "classify_log", "regress_log", "multi_inference_log")


@pytest.mark.parametrize(
    ("records", "error"),
    [
        ([warm_up_record(kind) for kind in KINDS], None),
        ([b""], None),
        ([warm_up_record()] * 1000, None),
        ([warm_up_record()] * 1001, "Number of warmup records exceeds the maximum (1000)"),
        ([b"\xff\xff"], "Failed to parse warmup record"),
        ([warm_up_record(signature="nope")], 'key "nope" not found'),
        (b"no TFRecord at all, whatever else it may be", "TFRecord format"),
    ],
)
def test_warm_up(live, half, tmp_path, records, error):
    shutil.copytree(half / "1", tmp_path / "model")
    (tmp_path / "model" / "assets.extra").mkdir()
    path = tmp_path / "model" / "assets.extra" / "tf_serving_warmup_requests"
    if isinstance(records, bytes):
        path.write_bytes(records)
    else:
        with tf.io.TFRecordWriter(str(path)) as writer:
            for record in records:
                writer.write(record)
    push(tmp_path / "m", 1, tmp_path / "model")
    name = tmp_path.name
    if error is None:
        reload(live, entry(name, tmp_path / "m"))
        assert live.status(name) == {1: "AVAILABLE"}
        if len(records) > 1:
            assert f"Ran {len(records)} warm-up requests of {name}" in live.log.read_text()
    else:
        with pytest.raises(grpc.RpcError):
            reload(live, entry(name, tmp_path / "m"))
        assert error in live.rest(f"/v1/models/{name}")[1].replace('\\"', '"')


def test_a_request_ends_on_the_version_that_it_began_on(live, tmp_path, toys):
    push(tmp_path / "m", 1, toys / "held" / "1")
    reload(live, entry("busy", tmp_path / "m"))
    with Gate(tmp_path / "gate") as gate:
        slow = live.ask(gate.rows(), "busy")
        gate.reached()
        push(tmp_path / "m", 2, toys / "held" / "1")
        live.wait_for({1: "UNLOADING", 2: "AVAILABLE"}, "busy")
        assert live.predict(past(), "busy").model_spec.version.value == 2
        assert not slow.done()
    assert slow.result().model_spec.version.value == 1
    live.wait_for({1: "END"}, "busy")


def test_a_version_that_is_wanted_again_while_it_is_unloaded_comes_back(live, half, tmp_path, toys):
    push(tmp_path / "m", 1, toys / "held" / "1")
    push(tmp_path / "canary", 1, half / "1")
    reload(live, entry("again_wanted", tmp_path / "m"), entry("canary", tmp_path / "canary"))
    with Gate(tmp_path / "gate") as gate:
        slow = live.ask(gate.rows(), "again_wanted")
        gate.reached()
        newest = push(tmp_path / "m", 2, toys / "held" / "1")
        live.wait_for({1: "UNLOADING", 2: "AVAILABLE"}, "again_wanted")
        shutil.rmtree(newest)
        look(live, tmp_path / "canary", half)
        assert live.status("again_wanted") == {1: "UNLOADING", 2: "AVAILABLE"}
    assert slow.result().model_spec.version.value == 1
    live.wait_for({1: "AVAILABLE", 2: "END"}, "again_wanted")


class Loaded:
    """What a lifecycle loads where no model is needed."""

    def __init__(self, number: int, closed: list[int]) -> None:
        self.number, self.closed = number, closed

    def close(self) -> None:
        self.closed.append(self.number)


@pytest.mark.parametrize("away", [0, 1], ids=["at once", "after its load began"])
def test_no_second_look_is_needed_for_a_version_that_is_wanted_again(tmp_path, away):
    paths = {number: tmp_path / str(number) for number in (1, 2)}
    closed: list[int] = []

    async def scene() -> None:
        lifecycle = Lifecycle(lambda _, number, __: Loaded(number, closed))

        async def until(states: dict[int, str]) -> None:
            while states != {v.number: v.state.name for v in lifecycle.versions("m")}:
                await asyncio.sleep(0.001)  # a thread loads, and tells no test

        lifecycle.set_aspired("m", {1: paths[1]})
        await until({1: "AVAILABLE"})
        with lifecycle.use(lifecycle.find("m", 1)):
            lifecycle.set_aspired("m", {2: paths[2]})
            await until({1: "UNLOADING", 2: "AVAILABLE"})
            lifecycle.set_aspired("m", {1: paths[1]})
            assert lifecycle.find("m", None).number == 2  # goes on meanwhile
        await until({1: "AVAILABLE", 2: "END"})
        # Wanted no longer, and again, before it is loaded.
        lifecycle.set_aspired("m", {1: paths[1], 2: paths[2]})
        for _ in range(away):
            await asyncio.sleep(0)  # one turn of the loop, in which the load begins
        lifecycle.set_aspired("m", {1: paths[1]})
        lifecycle.set_aspired("m", {1: paths[1], 2: paths[2]})
        await until({1: "AVAILABLE", 2: "AVAILABLE"})
        await lifecycle.close()

    asyncio.run(asyncio.wait_for(scene(), HANGS))
    assert closed[:2] == [1, 2]


def test_without_polling_the_folder_is_read_once(half, tmp_path):
    push(tmp_path / "m", 1, half / "1")
    config = write_config(tmp_path / "models.config", {"default": tmp_path / "m"})
    flags = (f"--model_config_file={config}", "--file_system_poll_wait_seconds=0")
    with running_server(tmp_path, *flags, *FAST) as server:
        assert value(server, "default") == 1
        push(tmp_path / "m", 2, half / "2")
        reload(server, entry("default", tmp_path / "m"))
        server.wait_for({2: "AVAILABLE"})


@pytest.mark.parametrize("polls", [(0, 0), (1, 0), (0, 1)], ids=["none", "folders", "file"])
def test_nobody_is_left_to_look_where_nothing_is_polled(tmp_path, polls):
    (tmp_path / "m" / "1").mkdir(parents=True)
    config = write_config(tmp_path / "models.config", {"default": tmp_path / "m"})
    flags, _ = parse_flags(
        [f"--model_config_file={config}", "--port=1",
         f"--file_system_poll_wait_seconds={polls[0]}",
         f"--model_config_file_poll_wait_seconds={polls[1]}"]
    )  # fmt: skip

    async def scene() -> None:
        lifecycle = Lifecycle(lambda _, number, __: Loaded(number, []))
        core, health, before = ServerCore(lifecycle), Health(), asyncio.all_tasks()
        keeping = asyncio.create_task(keep_models(read_configuration(flags), core, health))
        await lifecycle.tried("default")
        if any(polls):
            # Who looks again and again has begun, and does not end.
            while len(asyncio.all_tasks() - before) != 2:
                await asyncio.sleep(0.001)  # what has not begun cannot be awaited
            keeping.cancel()
        else:
            await keeping
            assert asyncio.all_tasks() == before
        await lifecycle.close()

    asyncio.run(asyncio.wait_for(scene(), HANGS))


def test_what_changes_in_the_file_while_models_load_is_taken_as_soon_as_it_can_be(
    half, toys, tmp_path
):
    push(tmp_path / "m", 1, half / "1")
    # Its first warm-up request waits at a gate, and its second fails.
    shutil.copytree(toys / "held" / "1", tmp_path / "held" / "1")
    extras = tmp_path / "held" / "1" / "assets.extra"
    extras.mkdir()
    bases = {"m": tmp_path / "m", "broken": tmp_path / "held"}
    config = write_config(tmp_path / "models.config", bases)
    flags = (f"--model_config_file={config}", "--model_config_file_poll_wait_seconds=1", gates.ROOM)
    with Gate(tmp_path / "gate") as gate:
        record = prediction_log_pb2.PredictionLog()
        request = record.predict_log.request
        request.model_spec.name = "any"
        request.inputs["gate"].CopyFrom(tf.make_tensor_proto(gate.rows()["gate"]))
        with tf.io.TFRecordWriter(str(extras / "tf_serving_warmup_requests")) as writer:
            writer.write(record.SerializeToString())
            writer.write(warm_up_record(signature="nope"))
        with running_server(tmp_path, *flags, "--max_num_load_retries=0") as server:
            gate.reached()
            assert server.status("broken") == {1: "LOADING"}
            label = "version_labels { key: 'next' value: 2 }"
            write_config(config, {"m": tmp_path / "m"}, {"m": label})
            gate.open()
            wait_until(lambda: "assign label to version 2 of model m" in server.log.read_text())
            assert value(server, "m") == 1
            push(tmp_path / "m", 2, half / "2")
            server.wait_for({2: "AVAILABLE"}, "m")
            wait_until(lambda: server.rest("/v1/models/m/labels/next")[0] == 200)
            assert value(server, "m", label="next") == 2
            assert server.log.read_text().count("assign label to version 2") == 1


def test_labels_of_versions_that_are_still_to_come(half, tmp_path):
    push(tmp_path / "m", 1, half / "1")
    labels = "version_labels { key: 'next' value: 2 }"
    config = write_config(tmp_path / "c", {"m": tmp_path / "m"}, {"m": labels})
    allow = "--allow_version_labels_for_unavailable_models"
    with running_server(tmp_path, f"--model_config_file={config}", allow, *FAST) as server:
        server.wait_for({1: "AVAILABLE"}, "m")
        with pytest.raises(grpc.RpcError, match=r"Specific\(m, 2\)"):
            value(server, "m", label="next")
        push(tmp_path / "m", 2, half / "2")
        server.wait_for({2: "AVAILABLE"}, "m")
        assert value(server, "m", label="next") == 2
