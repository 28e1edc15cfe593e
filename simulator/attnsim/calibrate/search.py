"""The search for constants: robust least squares in their logarithms, within the bounds of their table."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from attnsim.specs.constants import CONSTANTS

Values = npt.NDArray[np.float64]

MOST_EVALUATIONS = 30
_LOSS_SCALE = 0.05
_STEP = 0.004


def search(names: Sequence[str], values: Values, residuals: Callable[[Values], Values]) -> Values:
    """`values` with the named constants changed so that the residuals are least (soft L1 loss).

    values: all constants in the order of their table; residuals: of such a vector, log(predicted / measured).
    """
    from scipy.optimize import least_squares

    at = [list(CONSTANTS).index(name) for name in names]
    low, high = (np.log([getattr(CONSTANTS[name], end) for name in names]) for end in ("low", "high"))
    shift = 1.0 - low  # steps of the search are shares of its parameters, and the logarithm of a constant may be 0

    def of(shifted: Values) -> Values:
        trial = values.copy()
        trial[at] = np.exp(shifted - shift)
        return np.asarray(np.clip(residuals(trial), -3.0, 3.0))

    begin = np.clip(np.log(np.maximum(values[at], 1e-12)), low + 1e-6, high - 1e-6)
    begin = np.where(values[at] <= np.exp(low), (low + high) / 2, begin)
    found = least_squares(
        of,
        begin + shift,
        bounds=(low + shift, high + shift),
        loss="soft_l1",
        f_scale=_LOSS_SCALE,
        diff_step=_STEP,
        max_nfev=MOST_EVALUATIONS,
    )
    made = values.copy()
    made[at] = np.exp(found.x - shift)
    return made
