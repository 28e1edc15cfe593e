"""The report on published GPU kernels: papers' throughputs and ratios beside ours, and what misses by how much."""

from attnsim.report.gpu_published.numbers import collect
from attnsim.report.gpu_published.page import figures, page

__all__ = ["collect", "figures", "page"]
