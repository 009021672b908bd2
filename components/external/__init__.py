"""External validation: a model on images of another place, that it was not built for."""
