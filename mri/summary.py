"""The table at the end of a run: where time went, how good the model is, where it is now."""

import resource
import sys
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from components.disclaimer import DISCLAIMER
from components.evaluate.report.files import PAGE_FILE, TEXT_FILE
from components.evaluate.verdict import ModelVerdict
from components.push.pushed import PUSHED_DESTINATION, WAITING
from components.serve_check.verdict import ServeVerdict
from pipeline import node_ids
from pipeline.launch import is_blessed, is_withdrawn
from pipeline.local_runner import RunResult
from pipeline.outcome import describe


@dataclass(frozen=True)
class Summary:
    """What a run came to.

    Attributes:
        result: The run.
        verdict: The evaluation, where the run went so far.
        serving: The serve check's verdict, where the run went so far.
        report: The report's folder, where there is one.
        waiting: Whether the model waits for a person to approve it.
        withdrawn: Whether a person has decided against it.
        pushed: The pushed model's folder, where one was pushed.
        log_file: What libraries printed.
    """

    result: RunResult
    verdict: ModelVerdict | None
    serving: ServeVerdict | None
    report: Path | None
    waiting: bool
    withdrawn: bool
    pushed: Path | None
    log_file: Path

    @staticmethod
    def of(result: RunResult, log_file: Path) -> "Summary":
        """Reads the outcome from a run's artifacts."""
        evaluation = result.artifact(node_ids.EVALUATOR, "evaluation")
        served = result.artifact(node_ids.SERVE_CHECK, "blessing")
        report = result.artifact(node_ids.REPORT, "model_report")
        pushed = result.artifact(node_ids.PUSHER, "pushed_model")
        destination = pushed.custom_properties[PUSHED_DESTINATION].string_value if pushed else ""
        return Summary(
            result=result,
            verdict=ModelVerdict.read(evaluation.uri) if evaluation else None,
            serving=ServeVerdict.read(Path(served.uri)) if served else None,
            report=Path(report.uri) if report else None,
            waiting=bool(pushed and pushed.custom_properties[WAITING].int_value),
            withdrawn=bool(pushed and is_withdrawn(pushed)),
            pushed=Path(destination) if destination else None,
            log_file=log_file,
        )

    @property
    def blessed(self) -> bool | None:
        """Whether the model may be served; None where the run did not go so far."""
        for node in self.result.nodes:
            if node.blessed is not None:
                return node.blessed
        blessing = self.result.artifact(node_ids.EVALUATOR, "blessing")
        served = self.result.artifact(node_ids.SERVE_CHECK, "blessing")
        return is_blessed(blessing, *([served] if served else ())) if blessing else None

    def print(self, console: Console) -> None:
        """Prints the table and the lines below it."""
        table = Table(title=f"run {self.result.run_id}", title_justify="left")
        table.add_column("node")
        table.add_column("state")
        table.add_column("seconds", justify="right")
        table.add_column("outcome", overflow="fold")
        for node in self.result.nodes:
            table.add_row(node.node_id, node.state, f"{node.seconds:.1f}", Text(describe(node)))
        table.add_section()
        table.add_row("all", "", f"{self.result.seconds:.1f}", "")
        console.print(table)
        if self.report:
            console.print((self.report / TEXT_FILE).read_text(encoding="utf-8"), markup=False)
        if self.verdict:
            _print_verdict(self.verdict, console)
        if self.serving and not self.serving.blessed:
            _print_refusal("serving", " ".join(self.serving.reasons), console)
        if self.waiting:
            console.print(
                "decision       waits: "
                f"mri models approve|reject {self.result.run_id} --reason TEXT",
                soft_wrap=True,
            )
        if self.withdrawn:
            console.print(
                "decision       [red]against it[/]: a person rejected this model, or went back to "
                f"an earlier one; `mri models show {self.result.run_id}` says more",
                soft_wrap=True,
            )
        lines = {
            "report": self.report and self.report / PAGE_FILE,
            "pushed": self.pushed,
            "log": self.log_file,
            "memory": f"{_peak_gigabytes():.1f} GB at most",
        }
        for name, value in lines.items():
            if value:
                console.print(f"{name:<14} {value}", soft_wrap=True, markup=False)
        console.print(f"[dim]{DISCLAIMER}[/]")


def _peak_gigabytes() -> float:
    """The most memory that this process has held, in GB of 10^9 bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e9


def _print_verdict(verdict: ModelVerdict, console: Console) -> None:
    if verdict.accuracy is not None:
        by_class = ", ".join(
            f"{label} {accuracy:.3f}" for label, accuracy in verdict.accuracy_by_class.items()
        )
        rest = f" on {verdict.examples:,} images ({by_class})"
        accuracy = (f"{verdict.accuracy:.3f}", "bold")
        console.print(Text.assemble("test accuracy  ", accuracy, rest), soft_wrap=True)
    if (sensitivity := verdict.figures.get("tumour sensitivity")) is not None:
        console.print(f"{'':<15}a tumour is found in {sensitivity:.1%} of the images with one")
    if verdict.seen and verdict.novel:
        console.print(
            f"{'':<15}novel {verdict.novel.accuracy:.3f} on {verdict.novel.examples:,}; with a "
            f"match in the training folder {verdict.seen.accuracy:.3f} on "
            f"{verdict.seen.examples:,}",
            soft_wrap=True,
        )
    if verdict.compared is not None and verdict.set_aside:
        console.print(
            f"{'':<15}compared with the last blessed model on {verdict.compared:,} of them: "
            f"{verdict.set_aside}",
            soft_wrap=True,
        )
    if verdict.blessed:
        console.print("blessing       [green]blessed[/]: every threshold is met")
    else:
        _print_refusal("blessing", "; ".join(verdict.reasons), console)


def _print_refusal(title: str, reasons: str, console: Console) -> None:
    console.print(Text.assemble(f"{title:<15}", ("refused", "red"), f": {reasons}"), soft_wrap=True)
