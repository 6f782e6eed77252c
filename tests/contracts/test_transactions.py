"""The largest transaction there is: a proposal with all the batch data that a batch can have."""

from __future__ import annotations

from oyez.chain.contracts import Transaction
from oyez.chain.sender import MemoryJournal, Sender
from oyez.chain.signing import MAX_TRANSACTION_BYTES
from oyez.protocol.constants import MAX_BATCH_DATA_BYTES
from tests.contracts.harness import ETHER
from tests.contracts.manifests import BALLOT
from tests.contracts.proposals import make_proposal
from tests.contracts.test_gas import Bench
from tests.devnet import Anvil


def test_the_largest_proposal_fits_into_a_transaction() -> None:
    """Signed and mined: below 128 KB, and below the gas of one transaction. Rule: SDK-9"""
    with Anvil() as node:
        bench = Bench(node)
        bench.send("Rollup", "deposit_stake", value=ETHER)
        action_id, _ = bench.publish(BALLOT)
        bench.submit(action_id, b"x")
        node.advance(5)
        bench.send("Inbox", "close_batch")
        rollup = bench.deployment.contracts["Rollup"]
        genesis = bench.chain.call(rollup, bench.data("Rollup", "final_id", 0))
        data = b"\xff" * MAX_BATCH_DATA_BYTES
        proposal = make_proposal()
        inbox = bench.deployment.contracts["Inbox"]
        batch = bench.chain.call(inbox, bench.data("Inbox", "batch", 1))
        arguments = genesis, 0, batch[:32], proposal.words, proposal.proof, data
        call = bench.data("Rollup", "propose", *arguments)

        journal = MemoryJournal()
        way = Sender(bench.chain, bench.key, journal)
        mined = way.send("largest", Transaction(rollup, call, 0))

        signed = journal.get_signed("largest")
        assert signed is not None
        assert len(data) < len(signed.raw) < MAX_TRANSACTION_BYTES
        assert mined.succeeded
        assert 4_400_000 < mined.gas_used < 5_000_000  # 40 gas a byte: EIP-7623's floor
        (log,) = mined.logs
        assert data in log.data
