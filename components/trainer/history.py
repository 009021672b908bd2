"""How training went: a JSON file of every epoch's figures, and a picture of the curves."""

import json
from pathlib import Path

HISTORY_FILE = "history.json"

History = dict[str, list[float]]
"""Values by metric name, one an epoch, as Keras' History callback collects them."""


def kept_epoch(history: History, *, keep_best: bool) -> int:
    """Which epoch's weights a training ends with, from 0.

    Args:
        history: Values by metric name, one an epoch.
        keep_best: Whether it is the one with the least loss on eval, rather than the last.
    """
    losses = history["val_loss"]
    return losses.index(min(losses)) if keep_best else len(losses) - 1


def write_history(history: History, folder: Path) -> None:
    """Writes `history.json` and `curves.png`.

    Args:
        history: Values by metric name, one an epoch.
        folder: Where to.
    """
    (folder / HISTORY_FILE).write_text(json.dumps(history, indent=2) + "\n", encoding="utf-8")
    _plot(history, folder / "curves.png")


def _plot(history: History, path: Path) -> None:
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for axes, metric in zip(figure.subplots(1, 2), ("accuracy", "loss"), strict=True):
        for key, name in ((metric, "train"), (f"val_{metric}", "eval")):
            epochs = range(1, len(history[key]) + 1)
            axes.plot(epochs, history[key], marker="o", markersize=4, label=name)
        axes.set(xlabel="epoch", title=metric)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    figure.savefig(path, dpi=150)
