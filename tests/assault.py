"""Two honest challengers against five adversaries at once, over a real model and its verifiers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from oyez.chain.events import StakeChanged
from oyez.derivation import follow
from oyez.derivation.follow import Window
from oyez.dispute.choosing import Wish, find_spot
from oyez.dispute.player import Player
from oyez.dispute.trial import Trial, Truth, derive
from oyez.engines.exact.engine import ExactEngine
from oyez.protocol import merkle, trace
from oyez.protocol.constants import LAST_CALL, LAST_POSITION, LAST_SLOT, OUTER_HEIGHT
from oyez.protocol.manifest_encode import encode_manifest
from oyez.protocol.types import ZERO_HASH, Address, Hash32, Manifest, Status
from tests.actors import lying_model
from tests.lies import challenger, honest_ids
from tests.local_rollup import LocalRollup
from tests.services import ChallengerActor

#: Production's: every duel of the one fork fits.
DAY = 86_400
WINDOW = 7 * DAY
#: Accounts.
SEQUENCER, HONEST, CHOOSER, WITHHOLDER = 0, (5, 4), 3, 6
#: What those who break one number break: kinds of numbers.
LANES = {"layer lane": "gate row", "sampler lane": "next", "silent champion": "query row"}
#: Kinds that live wherever a call stands, to draw from: of layers, and of samplers.
LAYER_KINDS = ("normed", "query row", "score", "partial sum", "attention row", "swish", "down row")
SAMPLER_KINDS = ("source", "context", "mode", "next", "token byte", "ending", "machine state")
MOST_ROUNDS = 120


class SilentChampion:
    """Puts up its champion and then never moves."""

    def __init__(self, player: Player) -> None:
        self._player = player
        self.is_silent = False

    def step(self) -> bool:
        """Act once, until the champion stands; tell whether anything was sent."""
        if self.is_silent:
            return False
        done = self._player.step()
        self.is_silent = any(item.move.kind == "commit" for item in done)
        return bool(done)


@dataclass
class Assault:
    """Everybody, and who lies under which account.

    Attributes:
        liars: address by what it does.
    """

    rollup: LocalRollup
    truth: Truth
    honest: tuple[ChallengerActor, ...]
    chooser: ChallengerActor
    players: list[Player]
    silent: SilentChampion
    liars: dict[str, Address]

    def settle(self) -> None:
        """Run all in turn until none sends anything more."""
        for _ in range(MOST_ROUNDS):
            before = self.rollup.chain.fetch_block("latest").number
            for player in self.players:
                player.step()
            self.silent.step()
            for actor in (self.chooser, *self.honest):
                actor.run()
            if self.rollup.chain.fetch_block("latest").number == before:
                return
            self.rollup.anvil.advance(1)
        raise AssertionError("they never come to rest")


def play(
    engine: ExactEngine,
    action: Manifest,
    inputs: Sequence[bytes],
    home: Path,
    lanes: Mapping[str, str] = LANES,
) -> Counter[str]:
    """Play all to the end; count what happened.

    Args:
        engine: of the one model.
        action: that every call is of; at temperature 0, so that the worst choice is a false one.
        inputs: of the batch's calls.
        home: a folder for what everybody signs.
        lanes: kinds of numbers by who breaks one, as LANES.

    Raises:
        AssertionError: a liar kept its stake or lost it twice, an honest one lost it, or the head
            is not the true root.
    """
    with LocalRollup(model=engine, challenge_window=WINDOW, response_window=DAY) as rollup:
        assault = gather(rollup, engine, action, inputs, home, lanes)
        assault.settle()
        for _ in range(3):  # champions that never came or moved, then the window itself
            rollup.anvil.advance(WINDOW)
            assault.settle()
        return judge(assault)


def gather(
    rollup: LocalRollup,
    engine: ExactEngine,
    action: Manifest,
    inputs: Sequence[bytes],
    home: Path,
    lanes: Mapping[str, str],
) -> Assault:
    """Close a batch of calls, and seat everybody."""
    published = rollup.client(1).publish(encode_manifest(action)).action_id
    for at, data in enumerate(inputs):
        rollup.client(1 + at % 2).call(published, data)
    rollup.close_batch()
    settings = rollup.sequencer.rollup.fetch_settings()
    rollup.anvil.advance(settings.sequencer_grace + 11)
    reader = rollup.sequencer.reader
    found = reader.fetch_history()
    truth = derive(reader, found, found.batches[0], engine)
    folder = home / "liars"
    folder.mkdir()
    trial = Trial(
        rollup.anvil,
        rollup.chain,
        rollup.deployment,
        engine,
        truth,
        folder,
        lambda _event, /, **_facts: None,
    )
    honest = tuple(challenger(rollup, home / str(key), key) for key in HONEST)
    for key in (CHOOSER, WITHHOLDER):
        rollup.client(key).deposit_stake()
    chooser = ChallengerActor(
        rollup, home / "chooser", key=CHOOSER, engine=lying_model.make_chooser(engine)
    )
    lies = {
        name: trial.build_lie(find_spot(trial.machine, 1, 0, truth.executions[0], Wish(kind)))
        for name, kind in lanes.items()
    }
    withhold(rollup, truth)
    players = {name: lie.player for name, lie in lies.items()}
    liars = {name: lie.key.address for name, lie in lies.items()}
    liars["false choice"] = rollup.keys[CHOOSER].address
    liars["zero tree"] = rollup.keys[WITHHOLDER].address
    silent = SilentChampion(players.pop("silent champion"))
    return Assault(rollup, truth, honest, chooser, list(players.values()), silent, liars)


def withhold(rollup: LocalRollup, truth: Truth) -> None:
    """Post the true roots under a trace of zeros, of which nobody knows a node."""
    claim, proof = truth.result.claim, (ZERO_HASH,) * OUTER_HEIGHT
    record = trace.build_last_record(claim.state_root, claim.outbox_root, claim.receipts_root)
    index = trace.compute_outer_index(LAST_CALL, LAST_POSITION, LAST_SLOT)
    root = merkle.fold_proof(record, index, proof, trace.record_tree())
    rollup.act(
        WITHHOLDER,
        rollup.sequencer.rollup.build_propose(
            parent=rollup.sequencer.reader.genesis_id,
            attempt=0,
            batch_hash=truth.batch.batch_hash,
            claim=replace(claim, trace_root=Hash32(root)),
            last_record_proof=proof,
            batch_data=truth.result.batch_data,
        ),
    )


def judge(assault: Assault) -> Counter[str]:
    """Hold the end to what it has to be."""
    rollup = assault.rollup
    contract = rollup.sequencer.rollup
    slashed = Counter(list_slashed(rollup))
    assert slashed == Counter(assault.liars.values())
    assert assault.silent.is_silent
    (true_id,) = honest_ids(rollup)  # derived anew, by running the model
    assert contract.fetch_head() == 1
    assert contract.fetch_final_id(1) == true_id
    assert contract.fetch_root("state_root", 1) == rollup.derive()[0].claim.state_root
    assert contract.fetch_status(true_id) is Status.FINAL
    counts = Counter[str]({f"slashed: {name}": 1 for name in assault.liars})
    counts["plays"] = 1
    for actor in assault.honest:
        assert actor.log.named("moved")
    counts["honest stakes back"] = withdraw(rollup, (SEQUENCER, *HONEST))
    return counts


def withdraw(rollup: LocalRollup, keys: Sequence[int]) -> int:
    """Have accounts take their stakes out of the contract; return how many did."""
    contract = rollup.sequencer.rollup
    for key in keys:
        rollup.act(key, contract.build("request_withdrawal"))
    rollup.anvil.advance(WINDOW + 1)
    before = rollup.chain.fetch_balance(contract.address)
    for key in keys:
        rollup.act(key, contract.build("withdraw_stake", rollup.keys[key].address))
    stakes = before - rollup.chain.fetch_balance(contract.address)
    assert stakes == len(keys) * contract.fetch_settings().stake
    return len(keys)


def list_slashed(rollup: LocalRollup) -> list[Address]:
    """Return whose stake was slashed, each time."""
    found, after = [], None
    window: Window | None
    while (window := follow.fetch_window(rollup.chain, rollup.deployment, after)) is not None:
        found += [
            event.staker
            for event in window.events
            if isinstance(event, StakeChanged) and event.name == "StakeSlashed"
        ]
        after = window.last
    return found
