"""Gate: lets data pass, warns, or stops the run, and says why on a page."""
