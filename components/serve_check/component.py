"""The ServeCheck component: a model and test images in, an InfraBlessing out.

A server is started on the model, which is loaded in process meanwhile; both are asked the same.
"""

import logging
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import tensorflow as tf
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Examples, InfraBlessing, Model

from components.errors import PipelineError
from components.model_folder import saved_model
from components.properties import MODEL_ID
from components.serve_check.check import check
from components.serve_check.config import ServeCheckConfig
from components.serve_check.requests import Question, read_questions
from components.serve_check.servers import start_server
from components.serve_check.verdict import ServeVerdict
from components.serve_check.wire import (
    SIGNATURE,
    Probabilities,
    RefusedError,
    UndecidedError,
    no_result,
)
from components.tensorflow_words import without_nodes

_LOG = logging.getLogger(__name__)


@component
def ServeCheck(
    model: InputArtifact[Model],
    examples: InputArtifact[Examples],
    blessing: OutputArtifact[InfraBlessing],
    config: Parameter[str],
    code: Parameter[str],
) -> None:
    """Starts a server on the candidate, in a process of its own, and asks it.

    It never fails because of the model: a refusal and its reasons are its output. TFX's own
    InfraValidator needs Docker or Kubernetes and compares nothing.

    Args:
        model: The candidate.
        examples: Ingest's, raw, with a `test` split.
        blessing: Of which model it is, and why, written as TFX's InfraValidator does, so that
            Pusher heeds it.
        config: The server, and what is demanded, JSON of a `ServeCheckConfig`.
        code: Digest of this code and of the server's, for TFX's cache.

    Raises:
        PipelineError: The server that is asked for is not on this machine, or there is no verdict
            now.
    """
    demanded = ServeCheckConfig.model_validate_json(config)
    graph = saved_model(model)
    verdict = judge(graph, read_questions(examples, demanded.images), demanded)
    folder = Path(blessing.uri)
    verdict.write(folder)
    (folder / ("INFRA_BLESSED" if verdict.blessed else "INFRA_NOT_BLESSED")).touch()
    blessing.set_int_custom_property("blessed", int(verdict.blessed))
    blessing.set_string_custom_property("reasons", " ".join(verdict.reasons))
    blessing.set_int_custom_property(MODEL_ID, model.id)
    _LOG.info("%s", " ".join(verdict.reasons) or "served as it was made")


def judge(model: Path, questions: Sequence[Question], config: ServeCheckConfig) -> ServeVerdict:
    """Checks a model.

    Args:
        model: The SavedModel's folder.
        questions: What to ask.
        config: The server, and what is demanded.

    Returns:
        The verdict; whatever is wrong with the model is a reason in it.

    Raises:
        PipelineError: The server that is asked for is not on this machine, or what went wrong may
            be the machine's or the moment's, of which no verdict may be kept.
    """
    if not questions:
        return ServeVerdict(reasons=("There is no test image to ask about.",), server=config.server)
    try:
        with ThreadPoolExecutor(1) as pool:
            expected = pool.submit(_in_process, model, questions)
            return _served(model, questions, expected, config)
    except RefusedError as error:
        reason = str(error)
        return ServeVerdict(reasons=(f"{reason[:1].upper()}{reason[1:]}.",), server=config.server)
    except UndecidedError as error:
        raise PipelineError(
            f"The serve check did not reach a verdict: {error}. The cause may be "
            "temporary, so nothing is recorded: run again when the machine is less busy."
        ) from error


def _served(
    model: Path,
    questions: Sequence[Question],
    expected: Future[list[Probabilities]],
    config: ServeCheckConfig,
) -> ServeVerdict:
    started = time.monotonic()
    _LOG.info("starting the server")
    try:
        with start_server(config, model, expected) as endpoints:
            loaded = time.monotonic() - started
            _LOG.info("asking about %s images", len(questions))
            verdict = check(endpoints, questions, expected.result(), config)
    except Exception:
        expected.result()  # if the model fails in process too, that error is the one to show
        raise
    return verdict.model_copy(update={"load_seconds": round(loaded, 3)})


def _in_process(model: Path, questions: Sequence[Question]) -> list[Probabilities]:
    try:
        # TensorFlow says no reason if it cannot read this one.
        (model / tf.saved_model.SAVED_MODEL_FILENAME_PB).open("rb").close()
        signature = tf.saved_model.load(str(model)).signatures[SIGNATURE]
    except (OSError, ValueError, KeyError, tf.errors.OpError) as error:
        message = f"the SavedModel cannot be loaded: {_line(error)}"
        if isinstance(error, OSError) and error.errno is not None:
            raise UndecidedError(message) from error
        code = getattr(error, "error_code", tf.errors.INVALID_ARGUMENT)
        raise no_result(code, message) from error
    answers = []
    for question in questions:
        try:
            outputs = signature(image_bytes=tf.constant([question.encoded]))
        except tf.errors.OpError as error:
            raise no_result(
                error.error_code, f"the exported graph fails on {question.name}: {_line(error)}"
            ) from error
        if "probabilities" not in outputs:
            raise RefusedError(f"the signature {SIGNATURE} gives no probabilities")
        answers.append(outputs["probabilities"].numpy())
    return answers


def _line(error: BaseException) -> str:
    """What TensorFlow says, on one line and without where in the graph it says so."""
    return " ".join(without_nodes(str(getattr(error, "message", None) or error)).split())[:300]
