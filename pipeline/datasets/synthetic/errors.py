"""What can go wrong while a sample is written."""

from components.errors import PipelineError


class SampleError(PipelineError):
    """A sample cannot be made; the message says what was found, what was expected, what to do."""
