"""What a task writes to its log."""

import logging
import sys


def say(node: str, sentence: str) -> None:
    """Writes a sentence, behind the name of the node that it is about."""
    sys.stderr.write(f"{node}: {sentence}\n")
    sys.stderr.flush()


def log_to_stderr() -> None:
    """Logs what components say, and of libraries what they warn of, whatever those have set up."""
    logging.basicConfig(
        level=logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        force=True,
    )
    logging.getLogger("components").setLevel(logging.INFO)
