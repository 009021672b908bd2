"""`file_system_storage_path_source_test.cc` of TensorFlow Serving: which versions are wanted."""

import asyncio

import pytest
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from serving.server.configuration import (
    Configuration,
    ServedModelConfig,
    VersionPolicy,
    model_configs,
)
from serving.server.core import ServerCore, aspired_versions
from serving.server.flags import parse_flags
from serving.server.grpc_services import Health
from serving.server.lifecycle import Lifecycle
from serving.server.serve import keep_models

LATEST, ALL = VersionPolicy(), VersionPolicy(latest=0)


def specific(*versions):
    return VersionPolicy(latest=0, specific=frozenset(versions))


def folders(base, *names):
    for name in names:
        (base / name).mkdir(parents=True)
    return base


def wanted(base, policy=LATEST):
    """The names of the folders that are wanted, by version."""
    found = aspired_versions(ServedModelConfig("test_servable_name", base, policy))
    return None if found is None else {number: path.name for number, path in found.items()}


def test_NoVersionsAtStartup(tmp_path):
    assert wanted(tmp_path / "nonexistent_base_path") is None
    assert wanted(folders(tmp_path, "non_numerical_child")) == {}


def test_FilesAppearAfterStartup(tmp_path):
    base = tmp_path / "base"
    assert wanted(base) is None
    assert wanted(folders(base, "3")) == {3: "3"}


MANY = ("non_numerical_child", "42", "33", "30", "21", "17")
FEW = MANY[:4]
TIME = "20170111173521"


@pytest.mark.parametrize(
    ("names", "policy", "expected"),
    [
        pytest.param((*MANY[:2], "17"), LATEST, {42: "42"}, id="MultipleVersions"),
        pytest.param(
            (*MANY[:2], "17"), ALL, {17: "17", 42: "42"}, id="MultipleVersionsAtTheSameTime"
        ),
        pytest.param(
            MANY, VersionPolicy(latest=3), {42: "42", 33: "33", 30: "30"}, id="NLatestVersions"
        ),
        pytest.param(MANY, specific(17, 30), {17: "17", 30: "30"}, id="SpecificVersions"),
        pytest.param(
            (*MANY[:-1], "00017"),
            specific(17, 30),
            {17: "00017", 30: "30"},
            id="SpecificVersionsLeadingZeros",
        ),
        pytest.param(MANY, specific(), {}, id="SpecificVersionsEmpty"),
        pytest.param(FEW, LATEST, {42: "42"}, id="DefaultVersionPolicy"),
        pytest.param((TIME,), ALL, {int(TIME): TIME}, id="ParseTimestampedVersion"),
    ],
)
def test_policy(tmp_path, names, policy, expected):
    assert wanted(folders(tmp_path, *names), policy) == expected


def test_ChangeVersionPolicy(tmp_path):
    base = folders(tmp_path, "1", "02", "3", "5", "8", "13")
    assert wanted(base, VersionPolicy(latest=2)) == {13: "13", 8: "8"}
    assert wanted(base, specific(2, 5)) == {2: "02", 5: "5"}


def test_ServableVersionDirRenamed(tmp_path):
    base = folders(tmp_path, "1", "2", "3", "5", "8")
    assert set(wanted(base, ALL)) == {1, 2, 3, 5, 8}
    for name in ("2", "5"):
        (base / name).rename(base / f"{name}.denied")
    (base / "8").rmdir()
    assert set(wanted(base, ALL)) == {1, 3}


def test_DuplicateVersions(tmp_path):
    names = ("0001", "001", "00001")
    found = wanted(folders(tmp_path, "non_numerical_child", *names))
    assert set(found) == {1}
    assert found[1] in names


def test_LastVersionNotRemoved(tmp_path):
    base = folders(tmp_path, "42")
    assert wanted(base) == {42: "42"}
    (base / "42").rmdir()
    assert wanted(base) == {}


class Seen(Lifecycle):
    """Loads nothing, but notes what is wanted, in the order that it is told."""

    def __init__(self):
        super().__init__(load=lambda *_: None)
        self.told = []

    def set_aspired(self, name, wanted):
        self.told.append((name, set(wanted)))

    async def settled(self, names):
        return []


def models(root, *numbers):
    return {
        f"servable_{number}": ServedModelConfig(f"servable_{number}", root / str(number))
        for number in numbers
    }


def test_MultipleServables(tmp_path):
    folders(tmp_path, "0/1", "0/3", "1/42", "2")
    seen = Seen()
    asyncio.run(ServerCore(seen).reload(models(tmp_path, 0, 1, 2)))
    assert seen.told == [("servable_0", {3}), ("servable_1", {42}), ("servable_2", set())]


def test_ChangeSetOfServables(tmp_path):
    folders(tmp_path, "0/0", "1/0", "2/0")
    seen = Seen()

    async def scene():
        core = ServerCore(seen)
        await core.reload(models(tmp_path, 0, 1))
        seen.told.clear()
        await core.reload(models(tmp_path, 1, 2))

    asyncio.run(scene())
    assert seen.told == [("servable_0", set()), ("servable_1", {0}), ("servable_2", {0})]


def test_PollFilesystemOnlyOnce(tmp_path):
    flags, _ = parse_flags([f"--model_base_path={tmp_path}", "--file_system_poll_wait_seconds=0"])
    seen = Seen()
    once = Configuration(flags, models(folders(tmp_path, "3/3"), 3), None, None)
    asyncio.run(keep_models(once, ServerCore(seen), Health()))
    assert seen.told == [("servable_3", {3})]


def test_DefaultNumLatestVersions(tmp_path):
    config = ModelServerConfig()
    config.model_config_list.config.add(
        name="test_servable_name",
        base_path=str(folders(tmp_path, *FEW)),
        model_platform="tensorflow",
        model_version_policy={"latest": {}},
    )
    [model] = model_configs(config).values()
    assert set(aspired_versions(model)) == {42}
