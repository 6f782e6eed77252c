"""The rollup's contracts on a metered chain, and what is done to them."""

from __future__ import annotations

from oyez.chain import contracts, deploy
from oyez.chain.devnet import Devnet
from oyez.gas import manifests
from oyez.gas.metered import MeteredChain
from oyez.protocol import codec, trace
from oyez.protocol.types import Claim, Hash32, ModelShape

ETHER = 10**18
#: SmolLM2-135M's: what bounds manifests and prices positions.
SHAPE = ModelShape(
    layers=30,
    width=576,
    feed_forward=1_536,
    heads=9,
    kv_heads=3,
    head_size=64,
    vocabulary=49_152,
    context=2_046,
    position_cost=1,
    model_height=20,
    formats=1,
    missing=bytes([0xC0, 0xC1, 0xF1, 0xF2, *range(0xF5, 0x100)]),
)


class GasWorld(MeteredChain):
    """Contracts whose batches hold exactly `calls` calls of 512 bytes; nothing else was done.

    Roles are accounts of the local chain that have done nothing before. Account 0 deploys, and is
    the sequencer.
    """

    def __init__(self, devnet: Devnet, calls: int) -> None:
        """Deploy on a running chain."""
        super().__init__(devnet)
        self.sequencer = 0
        self.called = manifests.build_called()
        key = self.key(0)
        # a quiet inbox: each call has drained before the next, so that none pays a surge
        settings = deploy.DeploySettings(
            sequencer=key.address,
            models=(deploy.ListedModel(codec.keccak(b"weights"), SHAPE),),
            max_batch_seconds=10**6,
            max_batch_work=(calls + 1) * manifests.WORK - 1,
            leak_per_second=2**32 - 1,
        )
        self.deployment = deploy.deploy(self.chain, key, settings)
        self.inbox = contracts.Inbox(self.chain, self.deployment)
        self.rollup = contracts.Rollup(self.chain, self.deployment)
        self.actions = contracts.ActionRegistry(self.chain, self.deployment)
        self.create_meter()

    def submit(self, action_id: Hash32, who: int, *, extra: int = 0) -> int:
        """Send a call of 512 bytes that names its manifest; `extra` wei above the fee."""
        text = (b"The quick brown fox jumps over the lazy dog, and then some. " * 9)[:512]
        call = self.inbox.build_submit(
            action_id=action_id,
            cell=b"",
            data=text,
            manifest_hash=codec.keccak(self.called),
            fee=self.inbox.fetch_quote(action_id, len(text)) + extra,
        )
        return self.send(call, who)

    def publish(self, manifest: bytes, who: int) -> tuple[Hash32, int]:
        """Publish and return the action's id and the gas."""
        gas = self.send(self.actions.build_publish(manifest), who)
        return codec.compute_action_id(self.address(who), codec.keccak(manifest)), gas

    def hand_over(self, who: int) -> None:
        """Make another account the sequencer, with a stake of its own."""
        self.send(self.rollup.build("transfer_sequencer", self.address(who)), self.sequencer)
        self.sequencer = who
        self.send(self.rollup.build_deposit(ETHER), who)

    def propose(self, parent: Hash32, state_root: Hash32, salt: bytes) -> tuple[Hash32, int]:
        """Propose, without data, the batch after `parent`'s; return the id and the gas.

        The trace is one call's of noise, folded by the trace's own rules.
        """
        noise = codec.keccak(salt)
        call = trace.CallTrace(noise, (noise,), (noise,))
        last = trace.build_last_record(state_root, noise, noise)
        built = trace.build_trace([call], last)
        claim = Claim(built.root, state_root, noise, noise)
        number = self.rollup.fetch_assertion(parent).batch + 1
        transaction = self.rollup.build_propose(
            parent=parent,
            attempt=0,
            batch_hash=self.inbox.fetch_batch(number).batch_hash,
            claim=claim,
            last_record_proof=built.last_record_proof,
            batch_data=b"",
        )
        receipt = self._send(transaction, self.sequencer)
        (log,) = receipt["logs"]
        return Hash32(bytes.fromhex(log["topics"][1][2:])), int(receipt["gasUsed"], 16)

    def fetch_code_sizes(self) -> dict[str, int]:
        """Return the deployed bytes of each contract."""
        sizes = {}
        for name, address in self.deployment.contracts.items():
            code = self.devnet.request("eth_getCode", "0x" + address.hex(), "latest")
            sizes[name] = len(code) // 2 - 1
        return sizes
