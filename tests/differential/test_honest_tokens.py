"""Text and scores of a small model's call: what the trace holds is what the chain says."""

from __future__ import annotations

import random
from collections import Counter

from oyez.engines.exact.step_rows import prove_config
from oyez.protocol import inner
from oyez.protocol.inner import DEAD
from oyez.protocol.manifest import encode_manifest
from oyez.protocol.step import FILLER, ChunkLanes
from oyez.protocol.step_machine import Mode
from oyez.protocol.trace import ChunkType
from tests.contracts.harness import AUTHOR
from tests.contracts.test_step_model import create, tiny, world_of
from tests.real_calls import PARENT
from tests.unit.dispute.test_inner_sampler import list_samplers, short
from tests.vocabulary_steps import OPS, VERIFIERS

LANES = {ChunkType.INT32: 256, ChunkType.BYTES32: 32}


def test_lanes_of_a_real_call_are_recomputed_under_its_own_roots() -> None:
    """The model's root, the batch's trace root, the published manifest: nothing is made up.

    Rule: INNER-51, INNER-52, INNER-53, INNER-54, INNER-56, INNER-57, INNER-58, INNER-59
    """
    engine, rows = tiny("mixed")
    batch = short()
    world = world_of(engine)
    assert world.actions.publish(encode_manifest(batch.action), sender=AUTHOR)
    model = create(world, prove_config(rows, engine.shape.layers))
    verifiers = {path: world.deploy(path, model.address) for path in set(VERIFIERS.values())}
    draw, seen = random.Random(1), Counter[str]()
    for record, mode in list_samplers(batch):
        if mode not in (Mode.RUN, Mode.CHOICE, Mode.FREE):
            continue
        tree = batch.machine.open_inner(1, record)
        for region in tree.leaves.layout.regions:
            if region.op not in OPS:
                continue
            leaf = region.start + draw.choice((0, draw.randrange(region.leaves)))
            chunk = tree.get_chunk(leaf)
            lane = draw.choice((0, draw.randrange(8), draw.randrange(LANES[region.type])))
            lane = 0 if chunk.type is ChunkType.PAD else lane
            expected = DEAD if chunk.type is ChunkType.PAD else ChunkLanes(chunk)[lane]
            roots = (batch.result.claim.trace_root, tree.get_node(tree.height, 0))
            step = (*roots, record, leaf, lane, region.op, bytes(32), 1, bytes(32))
            proof = batch.machine.prove_step(1, record, leaf, lane, PARENT)
            verifier = verifiers[VERIFIERS[region.op]]
            raw = b"" if chunk.type is ChunkType.PAD else chunk.data
            assert verifier.recompute(step, raw, proof) == expected, (region.name, leaf, lane)
            if expected not in (DEAD, FILLER[region.type]):
                seen[region.name] += 1
    assert set(seen) == {r.name for r in inner.layout_sampler(engine.shape).regions if r.op in OPS}
