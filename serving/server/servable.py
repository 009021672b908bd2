"""One version of a model: a SavedModel in a TensorFlow session, as TensorFlow Serving holds it.

A session runs what the graph says, for models of TensorFlow 1 and 2 alike. `tf.saved_model.load`
would rebuild Python objects instead, and so serve models that TensorFlow Serving cannot.
"""

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import config_pb2

from components.plain_path import plain_path
from serving.server.errors import Code, StatusError, as_status_error
from serving.server.tensors import Array

_CALLABLES = 64
"""Combinations of inputs and outputs that are kept ready; an output filter can ask for any."""


@dataclass(frozen=True)
class Call:
    """What a request asks of the model, in the names of the graph's tensors.

    `arrays` are the values of `feeds`, in that order; `respond` makes the response from those of
    `fetches`, of which none is there twice.
    """

    api: str
    feeds: tuple[str, ...]
    arrays: tuple[Array, ...]
    fetches: tuple[str, ...]
    respond: Callable[[Sequence[Array]], Any]


@dataclass(frozen=True)
class LoadOptions:
    """How SavedModels are loaded: the MetaGraph of these tags, with so many threads.

    With 0, TensorFlow decides. `check_method_name`: a signature's method name must fit the call.
    """

    tags: tuple[str, ...] = ("serve",)
    intra_op_threads: int = 0
    inter_op_threads: int = 0
    check_method_name: bool = False


class Servable:
    """A loaded SavedModel."""

    def __init__(self, name: str, version: int, path: Path, options: LoadOptions) -> None:
        """Loads it, or raises a StatusError."""
        self.name = name
        self.version = version
        self.path = path
        self.check_method_name = options.check_method_name
        graph = tf.Graph()
        config = config_pb2.ConfigProto(
            intra_op_parallelism_threads=options.intra_op_threads,
            inter_op_parallelism_threads=options.inter_op_threads,
            allow_soft_placement=True,
        )
        self._session = tf.compat.v1.Session(graph=graph, config=config)
        # Not Session.run: it would convert and check the values in Python, with other errors.
        make = self._session._make_callable_from_options  # noqa: SLF001 - TensorFlow offers no other
        self._callable = lru_cache(_CALLABLES)(
            lambda feeds, fetches: make(config_pb2.CallableOptions(feed=feeds, fetch=fetches))
        )
        try:
            with graph.as_default(), plain_path(path) as plain:
                self.meta_graph = tf.compat.v1.saved_model.loader.load(
                    self._session, list(options.tags), str(plain)
                )
        except Exception as error:
            self.close()
            raise _load_error(error, path) from error
        self.signatures = dict(self.meta_graph.signature_def)
        # The session has its own copy, and the graph of a large model is large.
        self.meta_graph.ClearField("graph_def")

    def run(
        self, feeds: tuple[str, ...], arrays: Sequence[Array], fetches: tuple[str, ...]
    ) -> list[Array]:
        """Runs the graph, or raises an OpError; may be called from any thread."""
        outputs = self._callable(feeds, fetches)(*arrays)
        # TensorFlow gives a lone string as bytes.
        return [np.asarray(o, object) if isinstance(o, bytes) else o for o in outputs]

    def close(self) -> None:
        """Frees the model; nothing may run in it any more."""
        self._callable.cache_clear()
        self._session.close()
        # A graph refers to itself, and a model is too large to wait for the collector.
        gc.collect()


def _load_error(error: Exception, path: Path) -> StatusError:
    if isinstance(error, OSError):
        return StatusError(
            Code.NOT_FOUND,
            f"Could not find SavedModel .pb or .pbtxt at supplied export directory path: {path}",
        )
    if isinstance(error, tf.errors.OpError):
        return as_status_error(error)
    return StatusError(Code.UNKNOWN, f"Cannot load {path}: {error}")
