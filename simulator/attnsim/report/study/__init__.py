"""The page of a study, made from its results folder: the front, what each value costs, sensitivities, and commands."""

from attnsim.report.study.figures import figures
from attnsim.report.study.numbers import collect, tables_of
from attnsim.report.study.page import page

__all__ = ["collect", "figures", "page", "tables_of"]
