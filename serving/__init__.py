"""Serving: an embedded model server, its client, and the configuration of the real one."""
