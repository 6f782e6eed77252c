"""One table of ops: the page, the verifiers' constants and who verifies what say the same."""

from __future__ import annotations

import re

import pytest

from oyez.chain import artifacts, deploy
from oyez.chain.step_contracts import VERIFIERS
from oyez.protocol import inner
from oyez.protocol.inner_frame import Frame, layout_frame
from oyez.protocol.step_ops import OPS
from scripts import ops

SHAPE = ops.SHAPES["135M"]
#: Op -> region's name in capitals.
NAMES = {
    region.op: region.name.upper()
    for layout in (
        inner.layout_layer(SHAPE),
        inner.layout_sampler(SHAPE),
        *(layout_frame(frame, 12) for frame in Frame),
    )
    for region in layout.regions
}
#: What a verifier calls a region that it shares the name of with the other record's.
ALIASES = {40: "LAST_NORM", 41: "LAST_NORMED"}


def test_the_page_of_ops_is_current() -> None:
    """Rule: INNER-1"""
    assert ops.PAGE.read_text("utf-8") == ops.build_page(), "run: python -m scripts.ops"


def test_every_op_has_one_verifier_and_one_step() -> None:
    """Rule: INNER-1"""
    verified = [op for numbers in VERIFIERS.values() for op in numbers]

    assert sorted(verified) == sorted(NAMES) == sorted(OPS)


def list_stated(name: str) -> dict[str, int]:
    """The numbers that a verifier and its modules state under a comment about ops or regions."""
    found: dict[str, int] = {}
    for source in artifacts.list_sources(deploy.ROOT, f"contracts/{name}.vy"):
        is_about = False
        for line in source.read_text().splitlines():
            stated = re.match(r"^([A-Z_]+): constant\(uint256\) = (\d+)$", line)
            if line.startswith(("# --- Ops", "# ops", "# regions")):
                is_about = True
            elif stated is None or line.startswith("#"):
                is_about = False
            elif is_about:
                found[stated[1].removesuffix("_OP")] = int(stated[2])
    return found


@pytest.mark.parametrize("name", VERIFIERS)
def test_a_verifier_names_ops_by_their_numbers(name: str) -> None:
    """Rule: INNER-1"""
    allowed: dict[str, set[int]] = {}
    for op, region in NAMES.items():
        # samplers' regions may be counted from their first
        numbers = {op, op - inner.SAMPLER_OPS} if op >= inner.SAMPLER_OPS else {op}
        short = region.split("_", 1)[-1] if op >= Frame.ENTRY else region
        for called in {region, ALIASES.get(op, region), short, f"RECORD_{short}"}:
            allowed[called] = allowed.get(called, set()) | numbers
    found = list_stated(name)

    assert set(found) - set(allowed) == set()
    assert {region for region in found if found[region] not in allowed[region]} == set()
    assert len(found) >= 2 or len(VERIFIERS[name]) < 3
