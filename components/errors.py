"""The one exception whose message is written for the person who runs the pipeline."""


class PipelineError(Exception):
    """Work that cannot go on for a reason that its user can act on.

    The message is one or two sentences: what was found, what was expected, what to do. Whoever
    shows it shows the message alone; anything else that is raised is a defect and keeps its trace.
    """
