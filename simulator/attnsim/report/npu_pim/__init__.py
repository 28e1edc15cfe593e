"""The report on NPUs with PIM: systems side by side, released against fair assumptions, errors against a simulator."""

from attnsim.report.npu_pim.numbers import collect
from attnsim.report.npu_pim.page import figures, page

__all__ = ["collect", "figures", "page"]
