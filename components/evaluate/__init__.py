"""Evaluate: what TFMA measures, what blesses a model, and against which baseline."""
