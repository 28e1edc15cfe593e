"""Bulk prediction: a table of attention shapes in, milliseconds with their expected error out."""

from attnsim.predict.table import Prediction, predict_rows

__all__ = ["Prediction", "predict_rows"]
