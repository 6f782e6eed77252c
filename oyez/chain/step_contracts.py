"""Which contract verifies which ops: what a step table is deployed over."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from oyez.protocol.inner import SAMPLER_OPS
from oyez.protocol.types import Address

#: Name of the Vyper file -> ops that it verifies.
VERIFIERS: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {
        "StepVerifierLayer": (0, 2, 3, 18, 19, 22, 23, 24, 27, 40, 41),
        "StepVerifierAttention": (7, 8, 9, 10, 11, 12, 13, 14, 15),
        "StepVerifierRows": (1, 4, 5, 6, 17, 20, 21, 26, 42),
        "StepVerifierParts": (16, 25),
        "StepVerifierMachine": (35, 49),
        "StepVerifierMask": (34, 36, 43),
        "StepVerifierVocabulary": (37, 38, 39),
        "StepVerifierScores": (44, 45, 46, 47),
        "StepVerifierSampler": (32, 33, 48, 50, 51, 52),
    }
)
#: Deployed in this order, before the inbox: the model, its verifiers, the table over them.
STEPS = ("StepModel", *VERIFIERS, "StepTable")


def list_verifiers(at: Mapping[str, Address]) -> tuple[list[Address], list[Address]]:
    """Return the verifiers of layers' ops and of samplers' ops, each by number."""
    of = {op: at[name] for name, ops in VERIFIERS.items() for op in ops}
    layers = [of[op] for op in sorted(of) if op < SAMPLER_OPS]
    return layers, [of[op] for op in sorted(of) if op >= SAMPLER_OPS]
