"""What can go wrong while a sample is written."""


class SampleError(Exception):
    """A sample cannot be made; the message says what was found, what was expected, what to do."""
