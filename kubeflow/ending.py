"""The command of the exit handler's container: tidies up after a run and tells how it ended."""

import json
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from ml_metadata.proto import metadata_store_pb2 as pb

from components.disclaimer import DISCLAIMER
from components.errors import PipelineError
from components.gate.verdict import PAGE_FILE as GATE_PAGE
from components.gate.verdict import StoppedByGate
from components.pages.templates import render_page
from components.whole_file import whole_file
from kubeflow.ir import upstream_nodes
from kubeflow.node import mounted, parse, patience
from kubeflow.task_log import log_to_stderr
from kubeflow.ui_artifacts import EXIT_TASK, KFP_RUNTIME_VARIABLE, ExecutorOutputs
from pipeline.database import connect, connection_config
from pipeline.decisions.pushes import finish_pushes
from pipeline.environment import METADATA_VARIABLE
from pipeline.launch import PUSHED, NodeResult, gate_verdict, pushed_blessed, read_ir
from pipeline.metadata import SUCCESSFUL, abandon, outputs, run_executions
from pipeline.node_ids import PUSHER
from pipeline.orchestration import PIPELINE_RUN_CONTEXT_TYPE_NAME
from pipeline.outcome import describe
from pipeline.tracking.sending import track, tracking_uri
from pipeline.work import ENDED_FILE, GRAPH_FILE, PAGE_FILE, Work

RunState = Literal["completed", "not blessed", "stopped", "interrupted", "failed"]

_SUCCEEDED = ("SUCCEEDED", "COMPLETE")
"""What Kubeflow's backends call success."""
_ACCEPTING = "the parameters accept_anomalies={names} and accept_reason=TEXT in the next run"


@dataclass(frozen=True)
class NodeEnd:
    """What became of a node.

    Attributes:
        node: Its name.
        state: `done`, `cached`, `failed`, or `skipped` where it was not run.
        seconds: From its start until its end.
        outcome: What came out, in a few words.
    """

    node: str
    state: str
    seconds: float
    outcome: str


@dataclass(frozen=True)
class RunEnd:
    """How a run ended.

    Attributes:
        run_id: The run's id.
        name: What people call it.
        state: In a word.
        told: What Kubeflow says; nothing where it is not asked.
        nodes: What became of each node, in order.
        reason: Why it did not complete, as a sentence.
        page: The data gate's page, where the gate stopped the run.
    """

    run_id: str
    name: str
    state: RunState
    told: str
    nodes: tuple[NodeEnd, ...]
    reason: str = ""
    page: str = ""

    def write(self, work: Work) -> None:
        """Writes it to the run's folder, and its page, which Kubeflow may not get to show."""
        folder = work.runs / self.run_id
        folder.mkdir(parents=True, exist_ok=True)
        written = {ENDED_FILE: json.dumps(asdict(self), indent=2) + "\n", PAGE_FILE: render(self)}
        for name, text in written.items():
            with whole_file(folder / name) as file:
                file.write_text(text, encoding="utf-8")


def end_run(run_id: str, name: str, told: str, work: Work) -> RunEnd:
    """Closes what a run left open, and finds out how it ended.

    Args:
        run_id: The run's id; all its tasks have ended.
        name: What people call it.
        told: The end state that Kubeflow tells, or nothing.
        work: The shared storage.

    Returns:
        How it ended.

    Raises:
        PipelineError: ML Metadata cannot be reached.
    """
    store = connect(connection_config(os.environ.get(METADATA_VARIABLE), work), patience())
    with work.shared(_say), work.node_turn(PUSHER):  # another run's Pusher may be at work
        finish_pushes(store, work, _say)
    cut_off = abandon(store, [run_id], work)
    if name and (run := store.get_context_by_type_and_name(PIPELINE_RUN_CONTEXT_TYPE_NAME, run_id)):
        run.custom_properties["name"].string_value = name
        store.put_contexts([run])

    executions = dict(run_executions(store, run_id))
    graph = work.runs / run_id / GRAPH_FILE
    before = upstream_nodes(read_ir(graph)) if graph.exists() else dict.fromkeys(executions, ())
    state: RunState | None = None
    reason, page, nodes = "", "", []
    for node in before:
        if node not in executions:
            nodes.append(NodeEnd(node, "skipped", 0.0, ""))
            continue
        execution = executions[node]
        made = outputs(store, execution.id)
        nodes.append(_node_end(node, execution, made))
        if (verdict := gate_verdict(node, made)) and verdict.outcome == "stopped":
            folder = Path(made["verdict"][0].uri)
            state, reason = "stopped", str(StoppedByGate(folder, _ACCEPTING))
            page = str(folder / GATE_PAGE)
        elif PUSHED in made and not pushed_blessed(store, execution.id):
            state = "not blessed"
            reason = "The model was not blessed, or was decided against, so nothing was pushed."
    if state is None:
        state, reason = _without_verdict(nodes, before, set(cut_off), told)
    return RunEnd(run_id, name, state, told, tuple(nodes), reason, page)


def _without_verdict(
    nodes: Sequence[NodeEnd],
    before: Mapping[str, Sequence[str]],
    cut_off: Collection[str],
    told: str,
) -> tuple[RunState, str]:
    """How a run ended that no verdict ended, and why, as a sentence.

    Args:
        nodes: What became of each node.
        before: The nodes that each waits for.
        cut_off: Nodes that were at work when the run ended.
        told: What Kubeflow says.
    """
    became = {end.node: end.state for end in nodes}
    # For Kubeflow the run still runs where a person stops it or a pod is lost.
    stopped = told not in ("", "FAILED", *_SUCCEEDED)
    failed = [
        node
        for node, state in became.items()
        if state == "failed" and not (stopped and node in cut_off)
    ]
    if failed:
        reason = f"It failed in {', '.join(failed)}; the log of that task says why"
        if cut_off:  # by a kill, or by an error in what comes before the work
            reason += ", or ends where it was killed: memory ran out, or the pod was lost"
        return "failed", f"{reason}."
    if cut_off:
        return "interrupted", (
            f"The run was stopped, or a pod was lost, in the middle of {', '.join(sorted(cut_off))}"
            ". The next run continues from what is complete."
        )
    due = [
        node
        for node, state in became.items()
        if state == "skipped" and all(became[one] in ("done", "cached") for one in before[node])
    ]
    if nodes and not due:
        if told in ("", *_SUCCEEDED):
            return "completed", ""
        if stopped:
            said = "The run was stopped, or a pod was lost, when every node had done its work."
            return "interrupted", said
        return "failed", (
            f"Every node did its work, but Kubeflow says {told}: a task failed behind its work, as "
            "where a page cannot be uploaded. The logs of the tasks say which."
        )
    names = " or ".join(due) or "the first node"
    if stopped:
        return "interrupted", f"The run was stopped, or a pod was lost, before {names} could begin."
    return "failed", (
        f"The task of {names} failed before it could begin its work: the log of its pod says why, "
        "or if it has none, `kubectl describe pod`."
    )


def _say(sentence: str) -> None:
    sys.stderr.write(f"{EXIT_TASK}: {sentence}\n")


def _node_end(node: str, execution: pb.Execution, made: dict[str, list[pb.Artifact]]) -> NodeEnd:
    seconds = (execution.last_update_time_since_epoch - execution.create_time_since_epoch) / 1000
    if execution.last_known_state not in SUCCESSFUL:
        return NodeEnd(node, "failed", seconds, "")
    cached = execution.last_known_state == pb.Execution.CACHED
    result = NodeResult(node, "cached" if cached else "done", seconds, made)
    return NodeEnd(node, result.state, seconds, describe(result))


def render(end: RunEnd) -> str:
    """The page that Kubeflow shows of a run's end: the gate's own where the gate stopped it."""
    if end.page:
        return Path(end.page).read_text(encoding="utf-8")
    return render_page(Path(__file__).with_name("ending.html"), end=end)


def _print(end: RunEnd, page: Path) -> None:
    called = f" ({end.name})" if end.name else ""
    lines = [f"run {end.run_id}{called}: {end.state}"]
    lines += [f"  {n.node:<18}{n.seconds:8.1f} s  {n.state:<8}{n.outcome}" for n in end.nodes]
    reason = f": {end.reason}" if end.reason else ""
    lines += [f"page: {page}", DISCLAIMER]
    sys.stdout.write("\n".join([*lines, f"{EXIT_TASK}: {end.state}{reason}"]) + "\n")


def _show(work: Work, uri: str | None) -> None:
    """Lets an MLflow server show the run, if one is named."""
    if uri is not None:
        store = connect(connection_config(os.environ.get(METADATA_VARIABLE), work), patience())
        with work.node_turn("tracking"):  # of runs that end at once
            track(store, work, uri, _say)


def main() -> None:
    """Tells how the run ended; that it did not end well is not a failure of this task."""
    parser = parse("Tidy up after a run, and tell how it ended.", "kubeflow.ending")
    parser.add_argument("--run-name", default="", help="what people call the run")
    parser.add_argument("--tracking-uri", help="address of an MLflow server that shows all runs")
    parser.add_argument("--status", default="{}", help="the final state as Kubeflow gives it, JSON")
    given = parser.parse_args()
    log_to_stderr()
    os.environ[KFP_RUNTIME_VARIABLE] = "true"
    try:
        work = mounted(given.work)
        told = json.loads(given.status).get("state", "")
        end = end_run(given.run_id, given.run_name, told, work)
        end.write(work)
        _print(end, work.runs / end.run_id / PAGE_FILE)
        _show(work, tracking_uri(given.tracking_uri))
        if given.executor_input:
            outputs_of = ExecutorOutputs.read(given.executor_input)
            outputs_of.page(render(end))
            outputs_of.close()
    except PipelineError as error:
        _say(str(error))
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
