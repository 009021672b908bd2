"""Transform: the one definition of how image bytes become pixels."""
