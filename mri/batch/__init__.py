"""Many images at once: Apache Beam's RunInference, a shard of files after the other."""
