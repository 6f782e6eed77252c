"""What the exact engine must reach and is meant to reach, and whether a result does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Target:
    """One number of a result, judged.

    Attributes:
        most: it shall not exceed the bounds, else reach them.
    """

    name: str
    value: float
    must: float
    aim: float
    most: bool

    @property
    def verdict(self) -> str:
        """The better bound that is kept, "aim" or "must", or "missed"."""
        for word, bound in (("aim", self.aim), ("must", self.must)):
            if self.value <= bound if self.most else self.value >= bound:
                return word
        return "missed"


#: Key of a result => (must, aim); at least so much.
LEAST = {
    "decode_ratio_0": (1.5, 2.0),
    "decode_ratio_300": (1.5, 2.0),
    "prefill_ratio": (3.0, 5.0),
    "batch16_vs_turn": (4.0, 8.0),
    "batch16_vs_batch": (1.5, 2.5),
    "call_ratio": (3.0, 5.0),
    "avx2_ratio": (1.0, 1.4),
}
#: The same; at most so much.
MOST = {
    "trace_share_decode": (0.05, 0.02),
    "trace_share_prefill": (0.10, 0.05),
    "peak_mb": (450.0, 250.0),
    "start_s": (0.5, 0.2),
}
KL, LOSS, FIRST_LOAD = (1e-4, 3e-5), (1e-3, 2e-4), (4.0, 2.0)
#: Share of the memory's bandwidth at which decode needs no other aim.
BANDWIDTH = 0.85


def judge(result: Mapping[str, Any]) -> Iterator[Target]:  # Any: JSON
    """Yield every target that a result has a number for."""
    for name, value in result.get("kl_exact", {}).items():
        # the float engine's own divergence is a bound too
        must = min(KL[0], result["kl_llamacpp"][name])
        yield Target(f"kl_exact {name}", value, must, min(must, KL[1]), most=True)
    for name, value in result.get("nll_exact", {}).items():
        share = abs(value / result["nll_float"][name] - 1)
        yield Target(f"nll_exact {name}, off by", share, *LOSS, most=True)
    for bounds, most in ((LEAST, False), (MOST, True)):
        for name, (must, aim) in bounds.items():
            if result.get(name) is not None:
                yield Target(name, result[name], must, aim, most)
    if "bandwidth" in result:
        # decode on the memory's limit cannot be twice as fast as anything
        share = result["bandwidth"]["decode_share"]
        yield Target("share of the read bandwidth", share, 0.0, BANDWIDTH, most=False)
    if "start" in result:
        first = result["start"]["first_load_s"]["median"]
        yield Target("first load, s", first, *FIRST_LOAD, most=True)
