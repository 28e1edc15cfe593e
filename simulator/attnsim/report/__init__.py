"""Runs and comparisons as pages, figures, numbers and timelines; one file for each kind."""
