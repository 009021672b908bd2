import json
import time

import pytest
from ml_metadata.proto import metadata_store_pb2 as pb
from registering import MADE, Registry

from pipeline.decisions.pushes import finish_pushes


@pytest.mark.parametrize("mine", [True, False])
def test_a_push_of_another_database_is_not_finished_in_this_one(tmp_path, mine):
    registry = Registry(tmp_path / "work")
    model_id = registry.add(0, push="after_review")
    registry._execute(
        "Pusher", [("model", model_id)], [], registry._run(1), state=pb.Execution.RUNNING
    )
    execution = max(one.id for one in registry.store.get_executions())
    # This database's model was made just now; the other's, of the same id, long ago.
    version = registry.base / str(int(time.time()) + 9 if mine else MADE)
    (version / "assets.extra").mkdir(parents=True)
    origin = {"origin": {"model": model_id, "execution": execution}}
    (version / "assets.extra" / "metadata.json").write_text(json.dumps(origin))
    said: list[str] = []

    finish_pushes(registry.store, registry.work, said.append)

    assert said == ([f"finished a push that was interrupted: {version}"] if mine else [])
