"""The pipeline on Kubeflow Pipelines: compiled, rehearsed, submitted."""
