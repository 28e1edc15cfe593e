"""What the FuseMax report simulates: models, lengths, configurations and their published names."""

from __future__ import annotations

from itertools import product

from attnsim.specs.claims import RunRequest

DATASET = "fusemax"
BATCH = 64
MODELS = {"bert": "BERT", "trxl": "TrXL", "t5": "T5", "xlm": "XLM"}
LENGTHS = (1024, 4096, 16384, 65536, 262144, 1048576)
MAPPINGS = {
    "unfused": "Unfused",
    "flat": "FLAT",
    "cascade": "+Cascade",
    "architecture": "+Architecture",
    "binding": "+Binding",
}
BASELINES = ("unfused", "flat")
SHAPES = {"bert": "BERT, TrXL, T5", "xlm": "XLM"}
"""One model of each head dimension: what is relative depends on nothing else of the four (but for energy at 256K)."""
ARRAY_SIZES = (16, 32, 64, 128, 256, 512)
SWEEP_LENGTH = 262144
SWEEPS = {"bert": "", "xlm": "_e128"}
"""Models of the array sweep, and the ending of the hardware whose buffer is sized for their head dimension."""


def attention(model: str, seq_len: int, mapping: str) -> RunRequest:
    """Attention as the artifact assumes it: filling and draining hidden, one register file counted."""
    return RunRequest(model=model, mapping=mapping, seq_len=seq_len, batch=BATCH)


def layer(model: str, seq_len: int, mapping: str) -> RunRequest:
    """The encoder layer under the same assumptions."""
    return RunRequest(model=model, mapping=mapping, seq_len=seq_len, batch=BATCH, scope="layer")


def modeled(model: str, seq_len: int, mapping: str) -> RunRequest:
    """Attention with filling, draining and exposed transfers."""
    return RunRequest(model=model, mapping=mapping, seq_len=seq_len, batch=BATCH, fill_drain="modeled")


def array(model: str, size: int) -> RunRequest:
    """Attention at 256K tokens on an array of `size` x `size` PEs."""
    name = f"fusemax_{size}{SWEEPS[model]}"
    return RunRequest(model=model, mapping="binding", hardware=name, seq_len=SWEEP_LENGTH, batch=BATCH)


def all_runs() -> list[RunRequest]:
    """Every run of the report, those that it shares with claims included."""
    points = list(product(MODELS, LENGTHS, MAPPINGS))
    return [
        *(attention(*point) for point in points),
        *(layer(*point) for point in points),
        *(modeled(*point) for point in product(SHAPES, LENGTHS, MAPPINGS)),
        *(array(*point) for point in product(SWEEPS, ARRAY_SIZES)),
    ]
