"""Asks a server what the same model in process was asked, and says where the answers differ."""

import timeit
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import cycle

import numpy as np

from components.serve_check.config import ServeCheckConfig
from components.serve_check.requests import Question
from components.serve_check.verdict import ServeVerdict
from components.serve_check.wire import (
    Endpoints,
    GrpcWire,
    Probabilities,
    RefusedError,
    RestWire,
    UndecidedError,
)

_TIMED_REQUESTS = 20
_SECONDS_A_REQUEST = 60.0

Ask = Callable[[Sequence[bytes]], Probabilities]


def check(
    endpoints: Endpoints,
    questions: Sequence[Question],
    expected: Sequence[Probabilities],
    config: ServeCheckConfig,
) -> ServeVerdict:
    """Sends every question over gRPC and REST, one by one and all together, and measures latency.

    Args:
        endpoints: A server on which the model is available.
        questions: At least one.
        expected: What the same model answers in process, [1, classes] a question.
        config: What is demanded.

    Returns:
        The verdict.

    Raises:
        UndecidedError: There was no answer, or none in time, perhaps because of the machine.
    """
    reasons, differences = [], []
    with (
        closing(GrpcWire(endpoints, _SECONDS_A_REQUEST)) as grpc_wire,
        closing(RestWire(endpoints, _SECONDS_A_REQUEST)) as rest_wire,
    ):
        for wire in (grpc_wire, rest_wire):
            found, largest = _compare(wire.predict, questions, expected, config)
            reasons += [f"Over {wire.name}, {reason}" for reason in found]
            differences.append(largest)
        latencies = [] if reasons else _latencies(grpc_wire.predict, questions)
    middle, high = np.percentile(latencies, (50, 95)) if latencies else (None, None)
    if high is not None and high > config.max_latency:
        raise UndecidedError(
            f"95 of 100 requests were answered within {high:.2f} s, and at most "
            f"{config.max_latency:g} s are allowed (serve_check.max_latency)"
        )
    return ServeVerdict(
        reasons=tuple(reasons),
        server=config.server,
        requests=len(questions),
        max_difference=max(differences),
        latency_p50_ms=None if middle is None else round(float(middle) * 1000, 3),
        latency_p95_ms=None if high is None else round(float(high) * 1000, 3),
    )


def _compare(
    ask: Ask,
    questions: Sequence[Question],
    expected: Sequence[Probabilities],
    config: ServeCheckConfig,
) -> tuple[list[str], float]:
    """What is refused and what differs over one protocol, and the largest difference."""
    refused, differing, largest = [], [], 0.0
    batches = [([question], answer) for question, answer in zip(questions, expected, strict=True)]
    for asked, wanted in [*batches, (list(questions), np.concatenate(expected))]:
        name = asked[0].name if len(asked) == 1 else f"a batch of {len(asked)} images"
        try:
            answered = ask([question.encoded for question in asked])
        except RefusedError as error:
            refused.append(f"{name} is refused: {error}.")
            continue
        if answered.shape != wanted.shape:
            differing.append(f"{name} gets probabilities of shape {list(answered.shape)}.")
            continue
        difference = float(np.abs(answered - wanted).max())
        if not difference <= config.tolerance:  # so that NaN is caught
            differing.append(
                f"the probabilities of {name} differ by {difference:.2g} from those of the same "
                f"model in process; at most {config.tolerance:g} is allowed "
                "(serve_check.tolerance)."
            )
        largest = max(largest, difference)
    return [*_first(refused), *_first(differing)], largest


def _first(reasons: list[str]) -> list[str]:
    """The first of many reasons of one kind, and how many more there are."""
    more = f" The same applies to {len(reasons) - 1} more." if len(reasons) > 1 else ""
    return [f"{reasons[0]}{more}"] if reasons else []


def _latencies(ask: Ask, questions: Sequence[Question]) -> Sequence[float]:
    """Seconds that requests of one image take."""
    images = cycle(question.encoded for question in questions)
    return timeit.repeat(lambda: ask([next(images)]), number=1, repeat=_TIMED_REQUESTS)
