"""The report on measured GPU timings: errors on held-out rows, anchors beside them, and what no fit has seen."""

from attnsim.report.gpu_measured.figures import figures
from attnsim.report.gpu_measured.page import page
from attnsim.report.tables import Tables
from attnsim.validate import Track

__all__ = ["collect", "figures", "page"]


def collect(track: Track) -> Tables:
    """Judge a sample of the held-out rows; raises MeasuredDataError without the package of timings."""
    from attnsim.report.gpu_measured.numbers import collect as collect_numbers

    return collect_numbers(track)
