"""The sentence that stands wherever a person sees a result."""

DISCLAIMER = "Decision support, not a diagnosis."
