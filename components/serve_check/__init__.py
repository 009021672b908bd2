"""Serve check: a candidate is asked through a real server before it may be pushed."""
