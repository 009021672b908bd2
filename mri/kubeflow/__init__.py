"""`mri kubeflow`: the pipeline compiled for Kubeflow Pipelines, rehearsed here, and sent there."""
