"""Custom properties that artifacts of several components carry."""

MODEL_ID = "model_id"
"""Which model an artifact is about."""
