"""A calibration as the text of its file."""

from __future__ import annotations

from pathlib import Path

from attnsim.specs.calibration import Calibration, Errors


def calibration_text(calibration: Calibration) -> str:
    """The YAML of a calibration file, the same for the same calibration."""
    lines = [
        "# yaml-language-server: $schema=../../../docs/schema/calibration.schema.json",
        f"kernel: {calibration.kernel}",
        "family: gpu_tile",
        f"hardware: {calibration.hardware}",
        f'source: "{calibration.source}"',
        "constants:",
        *(f"  {name}: {_number(value)}" for name, value in calibration.constants.items()),
        f"fitted: {_errors(calibration.fitted)}",
        f"held_out: {_errors(calibration.held_out)}",
    ]
    if calibration.tick is not None:
        step, offset = _number(calibration.tick.step_s), _number(calibration.tick.offset_s)
        lines.append(f"tick: {{step_s: {step}, offset_s: {offset}}}")
    return "\n".join(lines) + "\n"


def _errors(errors: Errors) -> str:
    return f"{{rows: {errors.rows}, mape: {errors.mape}, median: {errors.median}, p90: {errors.p90}}}"


def _number(value: float) -> str:
    """A number as YAML 1.1 reads it back: with a point, and a sign in its exponent."""
    text = repr(float(value))
    mantissa, _, exponent = text.partition("e")
    if not exponent:
        return text
    mantissa = mantissa if "." in mantissa else f"{mantissa}.0"
    return f"{mantissa}e{int(exponent):+03d}"


def write_calibration(calibration: Calibration, path: Path) -> None:
    """Write a calibration file, making its folder if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(calibration_text(calibration), encoding="utf-8")
