"""Many images at once: Apache Beam's RunInference, a shard of files after the other."""

from mri.batch.command import app

__all__ = ["app"]
