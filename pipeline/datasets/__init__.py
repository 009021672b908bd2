"""Where images come from: the synthetic sample and, beside it, the public data set."""
