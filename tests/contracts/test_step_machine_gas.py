"""What a step of the byte machine costs, alone and resolved, of small and dear manifests."""

from __future__ import annotations

import pytest

from oyez.protocol import machine_words, trace
from oyez.protocol.machine import MachineState, Phase
from oyez.protocol.manifest import encode_manifest
from oyez.protocol.step import Address
from oyez.protocol.step_machine import Mode
from oyez.protocol.trace import Chunk
from oyez.protocol.types import Field, FieldType, Role
from tests import machine_fuzz as fuzz
from tests import machine_steps
from tests.contracts.harness import encode_call
from tests.contracts.test_step_rows_gas import BASE, RESOLVE_BYTES, RESOLVE_GAS, price
from tests.dear_fields import SHORT, stand_behind
from tests.machine_steps import NAMES, OPS, POOL, Case, pool
from tests.manifest_cases import with_fields
from tests.manifests import BOUND
from tests.steps import World

RECORD = 5 << 16 | 300 << 5 | 31
ENUM = Field(b"~", FieldType.ENUM, Role.WRITES, SHORT[0], options=tuple(SHORT), biases=(0,) * 64)
WRITTEN = [
    Field(b"}", FieldType.INTEGER, Role.WRITES, 0, low=-BOUND, high=BOUND, digits=78),
    Field(b"|", FieldType.STRING, Role.WRITES, b"", limit=512),
    ENUM,
]
PLACES = {
    "digits": MachineState(Phase.INTEGER, 0, 77, value=int(str(BOUND)[:77])),
    "text": MachineState(Phase.STRING, 1),
    "name": MachineState(Phase.PREFIX, 2, 3),
    "choice": MachineState(Phase.CHOICE, 2),
}
#: Op, place, budgets of a transaction that asks the step alone: of the small manifest, of the dear.
BUDGETS = [
    (34, "digits", 150_000, 165_000),
    (34, "name", 135_000, 150_000),
    (35, "name", 102_000, 150_000),
    (36, "name", 96_000, 96_000),
    (43, "text", 275_000, 290_000),
    (49, "text", 155_000, 165_000),
    (49, "choice", 226_000, 275_000),
]


#: Of a whole resolution.
MOST_GAS = 445_000


def longest_rows() -> int:
    """The lane of the mask over the most bytes of tokens."""
    rows = pool().rows
    return max(range(POOL // 8), key=lambda lane: sum(len(rows[8 * lane + i]) for i in range(8)))


def make_step(op: int, state: MachineState, data: bytes) -> Case:
    """A step that reads all that it may: of a run and walk the first byte of a later leaf."""
    layout = pool().model.get_layout(RECORD)
    assert layout is not None
    word = machine_words.pack_state(state)
    published = fuzz.lay_out(data)
    token = next(i for i, row in pool().rows.items() if row[3:] == b"a" * 128)
    context = [word, state.value, int.from_bytes(published.manifest.hash, "big")]
    chunks = {
        "before": trace.encode_int32([2, 0, 0]),
        "context": trace.encode_words(context),
        "mode": trace.encode_int32([{43: Mode.FREE}.get(op, Mode.RUN)]),
        "next": trace.encode_int32([2, token]),
        "run": trace.encode_words([word, state.value] * 16),
        "walk": trace.encode_words([word, state.value] * 16),
    }

    def make(leaf: int) -> Chunk:
        region = layout.find(leaf)
        assert region is not None
        return chunks[region.name]

    world = World(make, lambda *_: trace.PAD_CHUNK, lambda _, row: pool().rows[row])
    world.manifests[published.manifest.hash] = data
    leaf = layout.get(NAMES[op]).start + (op in (35, 49))
    at = Address(RECORD, leaf, longest_rows() if op == 43 else 0)
    return Case(op, at, trace.encode_words([]), world, pool().model, pool().tree)


def build_dear(state: MachineState) -> tuple[MachineState, bytes]:
    """Return a place as that of the last of 32 written fields, with the manifest of these."""
    fields = stand_behind(WRITTEN[state.field], Role.WRITES)
    return state._replace(field=31), fuzz.publish(encode_manifest(with_fields(fields)))


def measure(case: Case) -> tuple[int, int]:
    """What the verifier's call costs, at least the floor of its calldata; and a resolution."""
    value, read = case.recompute()
    described, proof = case.prove(read)
    assert case.ask(described, proof) == value
    gas = fuzz.world().gas
    contract = machine_steps.verifier(OPS[case.op], case.model)
    (entry,) = (e for e in fuzz.world().abis[contract.address] if e.get("name") == "recompute")
    data = encode_call(entry, described, case.own.data, proof)
    alone = gas - BASE - price(data, 16, 4)
    usual = BASE + 16 * RESOLVE_BYTES + price(proof, 16, 4) + RESOLVE_GAS + alone
    whole = max(usual, BASE + 40 * RESOLVE_BYTES + price(proof, 40, 10))
    return max(gas, BASE + price(data, 40, 10)), whole


@pytest.mark.parametrize(("op", "place", "small", "dear"), BUDGETS)
def test_steps_stay_within_their_budgets(op: int, place: str, small: int, dear: int) -> None:
    usual = PLACES[place], fuzz.publish(encode_manifest(with_fields(WRITTEN)))
    for (state, data), budget in ((usual, small), (build_dear(PLACES[place]), dear)):
        found, whole = measure(make_step(op, state, data))
        print(f"op {op}, {place}: {found:,} alone, {whole:,} resolved")
        assert 0.9 * budget < found <= budget, (op, place, budget, found)
        assert whole <= MOST_GAS, (op, place, whole)
