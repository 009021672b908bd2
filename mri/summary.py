"""The end of a run: how good the model is, how long it took, where everything is now."""

import resource
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ml_metadata.proto import metadata_store_pb2 as pb
from rich.console import Console
from rich.text import Text

from components.counted import counted
from components.disclaimer import DISCLAIMER
from components.evaluate.report.files import PAGE_FILE, TEXT_FILE
from components.evaluate.verdict import ModelVerdict
from components.push.pushed import PUSHED_DESTINATION, WAITING
from components.serve_check.verdict import ServeVerdict
from pipeline import node_ids
from pipeline.launch import is_blessed, is_withdrawn
from pipeline.local_runner import RunResult
from pipeline.paths import shorter


@dataclass(frozen=True)
class Summary:
    """What a run came to, as its artifacts say.

    Attributes:
        result: The run.
        log_file: What libraries printed.
    """

    result: RunResult
    log_file: Path

    @property
    def blessed(self) -> bool | None:
        """Whether the model may be served; None if the run did not go so far."""
        for node in self.result.nodes:
            if node.blessed is not None:
                return node.blessed
        blessing = self.result.artifact(node_ids.EVALUATOR, "blessing")
        served = self.result.artifact(node_ids.SERVE_CHECK, "blessing")
        return is_blessed(*filter(None, (blessing, served))) if blessing else None

    @property
    def waiting(self) -> bool:
        """Whether the model waits for a person to approve it."""
        return bool((pushed := self._pusher) and pushed.custom_properties[WAITING].int_value)

    @property
    def pushed(self) -> Path | None:
        """The pushed model's folder, if one was pushed."""
        told = self._pusher and self._pusher.custom_properties[PUSHED_DESTINATION].string_value
        return Path(told) if told else None

    @property
    def _pusher(self) -> pb.Artifact | None:
        return self.result.artifact(node_ids.PUSHER, "pushed_model")

    def print(self, console: Console) -> None:
        """Prints the figures, the verdict, and where everything is; each node has had its line."""
        report = self.result.artifact(node_ids.REPORT, "model_report")
        if report:
            console.print(Path(report.uri, TEXT_FILE).read_text(encoding="utf-8"), markup=False)
        if evaluation := self.result.artifact(node_ids.EVALUATOR, "evaluation"):
            _print_verdict(ModelVerdict.read(evaluation.uri), console)
        if served := self.result.artifact(node_ids.SERVE_CHECK, "blessing"):
            reasons = ServeVerdict.read(Path(served.uri)).reasons
            if reasons:
                _print_refusal("serving", " ".join(reasons), console)
        run, say = self.result.run_id, partial(console.print, soft_wrap=True)
        if self.waiting:
            say(f"decision       waits: mri models approve|reject {run} --reason TEXT")
        if self._pusher and is_withdrawn(self._pusher):
            say(
                "decision       [red]against it[/]: a person rejected this model, or went back to "
                f"an earlier one; `mri models show {run}` says more"
            )
        lines = {
            "run": f"{run}, {self.result.seconds:,.1f} s",
            "report": report and shorter(Path(report.uri, PAGE_FILE)),
            "pushed": self.pushed and shorter(self.pushed),
            "log": shorter(self.log_file),
            "memory": f"{_peak_gigabytes():.1f} GB at most",
        }
        for name, value in lines.items():
            if value:
                say(f"{name:<14} {value}", markup=False)
        console.print(f"[dim]{DISCLAIMER}[/]")


def _peak_gigabytes() -> float:
    """The most memory that this process has held, in GB of 10^9 bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e9


def _print_verdict(verdict: ModelVerdict, console: Console) -> None:
    say, below = partial(console.print, soft_wrap=True), " " * 15
    if verdict.accuracy is not None:
        by_class = ", ".join(
            f"{label} {accuracy:.3f}" for label, accuracy in verdict.accuracy_by_class.items()
        )
        rest = f" on {counted(verdict.examples, 'image')} ({by_class})"
        say(Text.assemble("test accuracy  ", (f"{verdict.accuracy:.3f}", "bold"), rest))
    if (sensitivity := verdict.figures.get("tumour sensitivity")) is not None:
        say(f"{below}a tumour is found in {sensitivity:.1%} of the images with one")
    if verdict.seen and verdict.novel:
        novel, seen = verdict.novel, verdict.seen
        say(
            f"{below}novel {novel.accuracy:.3f} on {novel.examples:,}; with a match in the "
            f"training folder {seen.accuracy:.3f} on {seen.examples:,}"
        )
    if verdict.compared is not None and verdict.set_aside:
        say(
            f"{below}compared with the last blessed model on {verdict.compared:,} of them: "
            f"{verdict.set_aside}"
        )
    if verdict.blessed:
        say("blessing       [green]blessed[/]: every threshold is met")
    else:
        _print_refusal("blessing", "; ".join(verdict.reasons), console)


def _print_refusal(title: str, reasons: str, console: Console) -> None:
    console.print(Text.assemble(f"{title:<15}", ("refused", "red"), f": {reasons}"), soft_wrap=True)
