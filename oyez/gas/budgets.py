"""Measures what `oyez bench gas` prints: the budgets of the contracts, from receipts.

Slots exist already unless a move creates one, as in a rollup that has been used. Every number is
the worst of its kind: a call's cost moves with its place in the batch, since the entries' tree is
built as they come.
"""

from __future__ import annotations

from dataclasses import dataclass

from oyez.chain import contracts
from oyez.chain.devnet import Devnet
from oyez.gas import depth, manifests
from oyez.gas.world import ETHER, GasWorld
from oyez.protocol.errors import Fatal
from oyez.protocol.types import Hash32

#: What each may cost at most.
BUDGETS = {
    "submit_512": 88_000,
    "submit_closing_512": 88_000 + 70_000,
    "propose": 280_000,
    "finalize": 95_000,
    "verify_field_million": 25_000,
    "publish_4k": 1_700_000,
    "code_size_max": 24_000,
}
DETAIL_BUDGETS = {
    "close_batch_255": 100_000,
    "finalize_first_credit": 112_000,
    "verify_field_million_deepest": 30_000,
}
MILLION = 10**6
#: Entries of the batch that is dearest to close: its count has the most bits set.
CALLS = 255
#: The place in a batch where a submit reads the most of the tree, 7 nodes.
WORST_INDEX = 127
WINDOW_SECONDS = 600
SEQUENCER, EXACT, OVERPAYER, FRESH, AUTHOR, ANYONE, HEIR = range(7)


@dataclass(frozen=True, slots=True)
class Measured:
    """Gas, or bytes of code, by name.

    Attributes:
        main: what budgets are about, in the order in which it is printed.
        detail: what they were taken from.
    """

    main: dict[str, int]
    detail: dict[str, int | str]

    def find_over(self) -> dict[str, int]:
        """Return what is above its budget."""
        return {name: value for name, value in self.main.items() if value > BUDGETS[name]} | {
            name: int(self.detail[name])
            for name, budget in DETAIL_BUDGETS.items()
            if int(self.detail[name]) > budget
        }


def measure(devnet: Devnet) -> Measured:
    """Measure everything on a running chain on which nothing was done; about 15 seconds."""
    world = GasWorld(devnet, CALLS)
    world.send(world.rollup.build_deposit(ETHER), SEQUENCER)
    action_id, _ = world.publish(world.called, AUTHOR)
    inbox = measure_inbox(world, action_id)
    rollup = measure_rollup(world, action_id)
    publish = measure_publish(world)
    sizes = world.fetch_code_sizes()
    dearest = max(publish, key=lambda name: publish[name])
    main = {
        "submit_512": max(inbox["submit_512_exact"], inbox["submit_512_overpaid"]),
        "submit_closing_512": inbox["submit_closing_512"],
        "propose": rollup["propose"],
        "finalize": rollup["finalize"],
        "verify_field_million": rollup["verify_field_million"],
        "publish_4k": publish[dearest],
        "code_size_max": max(sizes.values()),
    }
    detail: dict[str, int | str] = {
        **{name: value for name, value in (inbox | rollup).items() if name not in main},
        "publish_4k_dearest": dearest,
        **{f"publish_4k_{name}": gas for name, gas in publish.items()},
        **{f"code_size_{name}": size for name, size in sizes.items()},
    }
    return Measured(main, detail)


def measure_inbox(world: GasWorld, action_id: Hash32) -> dict[str, int]:
    """Three batches of 255 calls and one of 128: the second run pays exactly, the third too much.

    A run's first call closes the batch before it; the first run creates slots.
    """
    runs = []
    for who, extra in ((OVERPAYER, 1), (EXACT, 0), (OVERPAYER, 1)):
        runs.append([world.submit(action_id, who, extra=extra) for _ in range(CALLS)])
    close_255 = _close(world)
    for _ in range(WORST_INDEX):
        world.submit(action_id, EXACT)
    first_credit = world.submit(action_id, FRESH, extra=1)
    _close(world)
    exact, overpaid = runs[1][1:], runs[2][1:]
    closing = max(runs[1][0], runs[2][0])
    return {
        "submit_512_exact": max(exact),
        "submit_512_exact_mean": sum(exact) // len(exact),
        "submit_512_overpaid": max(overpaid),
        "submit_512_overpaid_mean": sum(overpaid) // len(overpaid),
        "submit_512_first_credit": first_credit,
        "submit_closing_512": closing,
        "submit_closing_512_extra": runs[1][0] - sum(exact) // len(exact),
        "close_batch_255": close_255,
    }


def measure_rollup(world: GasWorld, action_id: Hash32) -> dict[str, int]:
    """Propose the four batches on each other, finalize them, and read two of them by proof.

    The last is a new sequencer's, who has no credit yet; the first of all creates the head's slot.
    """
    depths = depth.compute_depths(MILLION)
    provable = {
        1: depth.build_provable(depths.mean, action_id),
        2: depth.build_provable(depths.deepest, action_id),
    }
    parent = world.rollup.fetch_final_id(0)
    ids, proposals = [], []
    for n in range(1, 5):
        if n == 4:
            world.hand_over(HEIR)
        root = provable[n].root if n in provable else action_id
        parent, gas = world.propose(parent, root, b"batch %d" % n)
        ids.append(parent)
        proposals.append(gas)
    world.pass_time(WINDOW_SECONDS)
    finals = [world.send(world.rollup.build_finalize(found), ANYONE) for found in ids]
    calls = {n: _build_verify(world, n, shown) for n, shown in provable.items()}
    reads = {n: _read(world, call) for n, call in calls.items()}
    return {
        "propose": max(proposals),
        "finalize": max(finals[1:3]),
        "finalize_first_credit": finals[3],
        "finalize_first_of_all": finals[0],
        "verify_field_million": reads[1],
        "verify_field_million_levels": depths.mean,
        "verify_field_million_transaction": world.send(calls[1], ANYONE),
        "verify_field_million_deepest": reads[2],
        "verify_field_million_deepest_levels": depths.deepest,
    }


def measure_publish(world: GasWorld) -> dict[str, int]:
    """Publish each of the 4 KB manifests once."""
    kinds = {
        "literals": manifests.build_literals(),
        "options": manifests.build_options(),
        "expressions": manifests.build_expressions(),
    }
    return {name: world.publish(data, AUTHOR)[1] for name, data in kinds.items()}


def _close(world: GasWorld) -> int:
    """Close the open batch as the sequencer, in a later block than its last call's."""
    world.pass_time(5)
    return world.send(world.inbox.build_close(), SEQUENCER)


def _build_verify(world: GasWorld, n: int, shown: depth.Provable) -> contracts.Transaction:
    """Return the call of verify_field that the proof is for."""
    proof = shown.proof
    words = (proof.manifest_hash, proof.version, list(proof.field_siblings), list(proof.siblings))
    return world.rollup.build(
        "verify_field",
        *(n, shown.action_id, bytes(32), shown.index),
        *(shown.name_hash, shown.type_hash, shown.word, words),
    )


def _read(world: GasWorld, call: contracts.Transaction) -> int:
    """Return what the call costs from a contract; the proof must hold."""
    gas, answer = world.measure_call(call, ANYONE)
    if int.from_bytes(answer, "big") != 1:
        raise Fatal("the measured proof does not hold: the tree's rules differ from the contract's")
    return gas
