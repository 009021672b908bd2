"""What Beam's workers receive in addition to their work."""

from tfx.utils import dependency_utils


def leave_out_tfx() -> None:
    """Keeps TFX from packing itself for Beam's workers, once for each node that uses Beam.

    That takes seconds, and leaves 52 MB in the system's temporary folder. Workers that have our
    components have TFX as well.
    """
    dependency_utils.make_beam_dependency_flags = list
