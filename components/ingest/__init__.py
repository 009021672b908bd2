"""Ingest: folders of images become tf.Example splits."""
