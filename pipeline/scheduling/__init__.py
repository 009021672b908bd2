"""Runs that nobody starts by hand: when they are due, what starts them, and who hears of it."""
