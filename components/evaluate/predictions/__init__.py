"""Predictions: the raw test images through the exported graph, once, for every figure."""
