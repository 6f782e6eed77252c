"""Which contract verifies which ops: what a step table is deployed over."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from oyez.protocol.inner import SAMPLER_OPS
from oyez.protocol.inner_frame import Frame
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
        "StepVerifierEntry": tuple(range(64, 73)),
        "StepVerifierState": (80, 81, 82, 83, 84, 85, 86, 87, 91, 92),
        "StepVerifierJson": (88, 89, 90, 93),
        "StepVerifierPrompt": (96, 97, 98),
        "StepVerifierOutput": (112, 113, 114),
        "StepVerifierParse": (115,),
        "StepVerifierScalars": (116, 117, 118, 119, 120),
        "StepVerifierCompute": tuple(range(121, 128)),
        "StepVerifierCell": (144, 145, 146),
        "StepVerifierRoots": (*range(147, 154), 160),
    }
)
#: Deployed in this order, before the inbox: the model, its verifiers, the table over them.
STEPS = ("StepModel", *VERIFIERS, "StepTable")


def list_verifiers(
    at: Mapping[str, Address],
) -> tuple[list[Address], list[Address], list[Address]]:
    """Return the verifiers of ops by number: of layers, of samplers, of what is around them."""
    of = {op: at[name] for name, ops in VERIFIERS.items() for op in ops}
    layers = [of[op] for op in sorted(of) if op < SAMPLER_OPS]
    samplers = [of[op] for op in sorted(of) if SAMPLER_OPS <= op < Frame.ENTRY]
    return layers, samplers, [of[op] for op in sorted(of) if op >= Frame.ENTRY]
