"""`server_core_test.cc` of TensorFlow Serving: configurations, and what becomes of their models.

The models are folders without content, which a fake loader takes, as upstream's fake platform does.
"""

import asyncio
import functools
from types import SimpleNamespace

from model_server import spec
from servable_calls import refused
from tensorflow_serving.config import model_server_config_pb2

from serving.server.configuration import model_configs
from serving.server.core import ServerCore
from serving.server.errors import Code, StatusError
from serving.server.lifecycle import Lifecycle

INVALID = Code.INVALID_ARGUMENT
ONE, LARGER, BOGUS = 123, 124, 777
NAME = "test_model"


class Models:
    """Base paths with one version, and with two."""

    def __init__(self, root):
        self.one, self.two = root / "one", root / "two"
        for path in (self.one / str(ONE), self.two / str(ONE), self.two / str(LARGER)):
            path.mkdir(parents=True)

    def config(self, path=None, name=NAME, labels=None, **fields):
        """A ModelServerConfig of one model; of the base path with one version, if not said."""
        made = model_server_config_pb2.ModelServerConfig()
        fields.setdefault("model_platform", "tensorflow")
        model = made.model_config_list.config.add(
            name=name, base_path=str(path or self.one), version_labels=labels or {}, **fields
        )
        if path == self.two and "model_version_policy" not in fields:
            model.model_version_policy.specific.versions.extend([ONE, LARGER])
        return made

    two_versions = property(lambda self: functools.partial(self.config, self.two))


class Core:
    """A ServerCore and what its models do."""

    def __init__(self, fails=None, **options):
        def load(name, number, path):
            if fails:
                raise StatusError(Code.CANCELLED, fails)
            return SimpleNamespace(path=path, close=lambda: None)

        self.lifecycle = Lifecycle(load, retries=0)
        self.core = ServerCore(self.lifecycle, **options)

    async def reload(self, config):
        await self.core.reload(model_configs(config))

    def available(self, name=NAME):
        return [v.number for v in self.lifecycle.versions(name) if v.state.name == "AVAILABLE"]

    async def until(self, condition):
        async with self.lifecycle._changed:
            await self.lifecycle._changed.wait_for(condition)

    async def asked(self, **version):
        return (await self.core.version(spec(NAME, **version))).number


def scene(story):
    """A test that is a coroutine of the models and of a core."""

    @functools.wraps(story)
    def test(tmp_path):
        asyncio.run(story(Models(tmp_path)))

    del test.__wrapped__
    return test


@scene
async def test_CreateWaitsTillModelsAvailable(models):
    server = Core()
    await server.reload(models.config())
    assert server.available() == [ONE]
    assert await server.asked(version=ONE) == ONE
    [status] = server.core.status(spec(NAME))
    assert (status.number, status.state.name, status.error) == (ONE, "AVAILABLE", None)


@scene
async def test_ReloadConfigWaitsTillModelsAvailable(models):
    server = Core()
    await server.reload(model_server_config_pb2.ModelServerConfig())
    await server.reload(models.config())
    assert server.available() == [ONE]


async def unloaded(models):
    server = Core()
    await server.reload(models.config())
    await server.reload(model_server_config_pb2.ModelServerConfig(model_config_list={}))
    await server.until(lambda: server.lifecycle.versions(NAME)[0].state.name == "END")
    return server


@scene
async def test_ReloadConfigUnloadsModels(models):
    server = await unloaded(models)
    assert [v.number for v in server.lifecycle.versions(NAME)] == [ONE]


@scene
async def test_ReloadConfigHandlesLoadingAPreviouslyUnloadedModel(models):
    server = await unloaded(models)
    await server.reload(models.config())
    assert server.available() == [ONE]


@scene
async def test_ReloadConfigChangeModelBasePath(models):
    server = Core()
    await server.reload(models.config())
    latest = {"model_version_policy": {"latest": {}}}
    await server.reload(models.config(models.two, **latest))
    await server.until(lambda: server.available() == [LARGER])
    await server.reload(models.config())
    await server.until(lambda: server.available() == [ONE])


@scene
async def test_AbsolutePathSucceeds(models):
    await Core().reload(models.config())


@scene
async def test_RelativePathFails(models):
    with refused(INVALID, "absolute path"):
        await Core().reload(models.config("one"))


@scene
async def test_MixedAbsoluteRelativeFails(models):
    mixed = models.config()
    mixed.MergeFrom(models.config("one", name="relative"))
    with refused(INVALID, "absolute path"):
        await Core().reload(mixed)


@scene
async def test_ErroringModel(models):
    server = Core(fails="injected error")
    with refused(None, "1 model(s) did not become available", "injected error"):
        await server.reload(models.config())
    [status] = server.core.status(spec(NAME))
    assert (status.number, status.state.name) == (ONE, "END")
    assert (status.error.code, status.error.message) == (Code.CANCELLED, "injected error")


@scene
async def test_IllegalReconfigurationToCustomConfig(models):
    server = Core()
    await server.reload(models.config())
    with refused(INVALID, "Only ModelConfigList is currently supported"):
        await server.reload(model_server_config_pb2.ModelServerConfig(custom_model_config={}))
    assert server.available() == [ONE]


@scene
async def test_IllegalConfigModelTypeAndPlatformSet(models):
    with refused(None, "Illegal setting both"):
        await Core().reload(models.config(model_type="TENSORFLOW"))


@scene
async def test_DeprecatedModelTypeConfig(models):
    server = Core()
    await server.reload(models.config(model_type="TENSORFLOW", model_platform=""))
    assert server.available() == [ONE]


@scene
async def test_DuplicateModelNameInConfig(models):
    twice = models.config()
    twice.MergeFrom(models.config())
    with refused(INVALID, f"Illegal to list model {NAME} multiple times"):
        await Core().reload(twice)


@scene
async def test_UnknownModelPlatform(models):
    with refused(None, "not_a_known_platform"):
        await Core().reload(models.config(model_platform="not_a_known_platform"))


@scene
async def test_IllegalToChangeModelPlatform(models):
    server = Core()
    await server.reload(models.config())
    with refused(None, "platform"):
        await server.reload(models.config(model_platform="platform_1"))
    assert server.available() == [ONE]


async def two_versions(models, labels=None, **options):
    server = Core(**options)
    await server.reload(models.two_versions())
    await server.until(lambda: server.available() == [LARGER, ONE])
    if labels:
        await server.reload(models.two_versions(labels=labels))
    return server


@scene
async def test_ModelSpecMultipleVersionsAvailable(models):
    server = await two_versions(models, {"A": ONE, "B": LARGER})
    assert await server.asked() == LARGER
    assert await server.asked(version=ONE) == ONE
    assert await server.asked(label="A") == ONE
    assert await server.asked(label="B") == LARGER
    with refused(INVALID, "Unrecognized servable version label"):
        await server.asked(label="nonexistent label")


UNAVAILABLE = "not currently available for inference"
ALLOWED = {"allow_labels_for_unavailable": True}


@scene
async def test_AssignLabelToUnavailableVersion(models):
    server = await two_versions(models)
    with refused(Code.FAILED_PRECONDITION, UNAVAILABLE):
        await server.reload(models.two_versions(labels={"nice try": BOGUS}))


@scene
async def test_AssignLabelToUnavailableVersionAllowed(models):
    server = await two_versions(models, **ALLOWED)
    await server.reload(models.two_versions(labels={"nice try": BOGUS}))


@scene
async def test_AssignExistingLabelToUnavailableVersionDisallowed(models):
    server = await two_versions(models, {"A": ONE, "B": LARGER}, **ALLOWED)
    with refused(Code.FAILED_PRECONDITION, UNAVAILABLE):
        await server.reload(models.two_versions(labels={"A": BOGUS, "B": LARGER}))
