"""The report on FuseMax: published figures beside ours, why they differ, and what the published model leaves out."""

from attnsim.report.fusemax.figures import figures
from attnsim.report.fusemax.numbers import collect
from attnsim.report.fusemax.page import page

__all__ = ["collect", "figures", "page"]
