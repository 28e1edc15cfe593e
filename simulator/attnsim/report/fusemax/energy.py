"""Energy with the register files of all PEs, from the counts of a bound workload; nothing has to be simulated for it.

The published artifact counts the accesses of one register file of each array, whatever the number of PEs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from attnsim.errors import MappingError
from attnsim.mapping.infeasible import Infeasible
from attnsim.pipeline import family_of, make_plan
from attnsim.specs.claims import RunRequest
from attnsim.validate import request_of, run_key


def full_energy_j(run: RunRequest) -> Mapping[str, float]:
    """Joule by component of a run with every register file counted; MappingError if the mapping does not fit."""
    plan = make_plan(replace(request_of(run), register_files="full"))
    family = family_of(plan.hardware)
    bound = family.bind(plan.workload, plan.hardware, plan.mappings, plan.assumptions)
    if isinstance(bound, Infeasible):
        raise MappingError(str(bound))
    return family.account(bound, plan.assumptions).energy_j


def total_j(run: RunRequest, known: dict[str, float]) -> float:
    """Joule of a run with every register file counted; `known` keeps it by `run_key`."""
    key = run_key(run)
    if key not in known:
        known[key] = sum(full_energy_j(run).values())
    return known[key]
