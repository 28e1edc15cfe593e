"""Measured kernel timings: loading, cleaning, splitting and scoring them, and the anchors that a model must beat.

Package of timings -> tables -> rows (polars) -> cleaned rows -> calibration and held-out rows -> scores. What is
dropped, which rows may be fitted on and how errors are taken is fixed in validation/measured/README.md. These modules
import polars at their top: whoever must start quickly imports them inside a function.
"""
