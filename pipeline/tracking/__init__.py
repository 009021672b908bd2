"""Tracking: every run of a work folder, as an MLflow server shows it."""
