"""Environment variables that stand for flags, by what they hold."""

METADATA_VARIABLE = "MRI_METADATA"
"""URL of ML Metadata's database."""

PATIENCE_VARIABLE = "MRI_METADATA_PATIENCE"
"""Seconds that a task on a cluster waits for this database whenever it is away."""

KFP_HOST = "MRI_KFP_HOST"
"""Address of the Kubeflow Pipelines server."""

KFP_NAMESPACE = "MRI_KFP_NAMESPACE"
KFP_TOKEN = "MRI_KFP_TOKEN"  # noqa: S105 - a variable's name
KFP_TOKEN_FILE = "MRI_KFP_TOKEN_FILE"  # noqa: S105 - a variable's name
KFP_CA = "MRI_KFP_CA"
"""Certificate of the authority that vouches for the server."""

DEBUG_VARIABLE = "MRI_DEBUG"
"""Not empty: traces of errors are shown."""
