"""The report on attention offloading: Lamina beside H100 alone, settings, other systems."""

from attnsim.report.offloading.numbers import collect
from attnsim.report.offloading.page import figures, page

__all__ = ["collect", "figures", "page"]
