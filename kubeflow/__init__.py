"""Kubeflow: the same pipeline compiled for, rehearsed for and run on Kubeflow Pipelines v2."""
