"""The second act: a false root is posted, seen, answered, and dies by one lane of the inference.

The liar is a program of the tests' (tests/actors/lying_sequencer.py) with the sequencer's key and
the real model: the sequencer itself cannot lie. What is shown comes from the chain and from the
challengers' own verdicts, never from the liar.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oyez.chain.events import AssertionProposed
from oyez.client import Client
from oyez.demo import enclave, story
from oyez.demo.calls import DISPUTED
from oyez.demo.stage import AUTHOR, CHALLENGERS, SEQUENCER, Stage
from oyez.dispute.story import Lane, Story, fetch_chronicle
from oyez.protocol.errors import Fatal
from oyez.protocol.types import CallId, Hash32, Status
from oyez.reader import Posted

LIAR = "lying_sequencer"


@dataclass(frozen=True, slots=True)
class Ended:
    """What is final after the act, and the end of the last line."""

    final: list[Posted]
    line: str


@dataclass(frozen=True, slots=True)
class Fork:
    """Two siblings, each with the history that it makes: all batches up to its own."""

    false: list[Posted]
    true: list[Posted]


def tell(stage: Stage, action_id: Hash32, final: Sequence[Posted], index: int) -> Ended:
    """Play the act and return what is final then.

    Args:
        stage: after the first act; the sequencer still runs.
        action_id: of the ballot.
        final: every batch so far, all of them final.
        index: in the next batch, of the call that is lied about.

    Raises:
        Fatal: anything but what the act is about: both challengers name the same call, the contract
            recomputes one lane, the liar loses, and the true sibling becomes final.
    """
    client = stage.client(AUTHOR)
    stage.children.stop("sequencer")
    lie = ("--call", str(index), "--calls", str(len(DISPUTED)))
    where = ("--deployment", str(stage.file), "--home", str(stage.home / LIAR))
    stage.start(LIAR, SEQUENCER, ("python", "-m", f"tests.actors.{LIAR}", *where, *lie))
    story.say()
    story.say(
        f"Second act: the sequencer's process is stopped. tests/actors/{LIAR}.py, which has its\n"
        "key, closes the next batch, posts a false root for it, and defends it. Nobody tells the\n"
        "challengers."
    )
    stage.call(action_id, DISPUTED)
    head = final[-1].assertion.assertion_id
    stage.wait("the false root", lambda: find_children(client, head) or None)
    fork = stage.wait("its sibling", lambda: find_fork(stage, client, final))
    tell_lie(stage, client, fork, index)
    lane = stage.wait("the lane", lambda: find_lane(client, fork))
    tell_duel(client, fork, lane)
    bury(stage, client, fork)
    stage.children.stop(LIAR)
    return Ended([*final, fork.true[-1]], summarize(client, fork))


def find_children(client: Client, parent: Hash32) -> list[AssertionProposed]:
    """Return what was proposed on an assertion, in the chain's order."""
    proposed = client.reader.fetch_history().proposed
    return [event for event in proposed if event.parent == parent]


def find_fork(stage: Stage, client: Client, final: Sequence[Posted]) -> Fork | None:
    """Return the fork on the last final batch once the liar and a challenger both posted."""
    children = find_children(client, final[-1].assertion.assertion_id)
    if len(children) < 2:
        return None
    if len(children) > 2 or children[0].proposer != stage.keys[SEQUENCER].address:
        raise Fatal("the fork is not one lie of the sequencer's and one answer")
    history, path = client.reader.fetch_history(), [posted.assertion for posted in final]
    false, true = (client.reader.rebuild(history, [*path, child]) for child in children)
    return Fork(false, true)


def tell_lie(stage: Stage, client: Client, fork: Fork, index: int) -> None:
    """Show the call, what was posted of it and what is true, and what the challengers say."""
    posted, answer = fork.false[-1], fork.true[-1]
    call_id = posted.batch.header.first_call + index
    lie_id, true_id = (side.assertion.assertion_id for side in (posted, answer))
    verdicts = stage.wait("the verdicts", lambda: stage.find_verdicts(lie_id))
    if any(verdict["match"] or verdict["first_call"] != call_id for verdict in verdicts):
        raise Fatal(f"the challengers do not both name call {call_id} as the first false one")
    if any(verdict["ours"] != "0x" + true_id.hex() for verdict in verdicts):
        raise Fatal("the challengers do not both hold the sibling to be true")
    entry = posted.batch.entries[index]
    manifest = client.reader.fetch_manifest(entry.manifest_hash)
    names = [field.name.decode() for field in manifest.fields]
    told = [story.follow(side, manifest)[call_id] for side in (fork.false, fork.true)]
    story.tell_lie(posted, told, names, index)
    story.tell_verdicts(verdicts)
    story.say(f"  false root    id 0x{lie_id.hex()}, posted with the sequencer's key")
    name = find_name(stage, answer.assertion)
    story.say(f"  true sibling  id 0x{true_id.hex()}, posted by {name}")
    secret = bytes.fromhex(stage.devnet.accounts[SEQUENCER].key.removeprefix("0x"))
    reason = enclave.refuse(client, lie_id, secret)
    story.say(f"  attestation   of the false root by the sequencer's own key, refused: {reason}")


def find_name(stage: Stage, proposed: AssertionProposed) -> str:
    """Return the name of the challenger who proposed; Fatal when none did."""
    for name, account in CHALLENGERS.items():
        if stage.keys[account].address == proposed.proposer:
            return name
    raise Fatal(f"a stranger proposed 0x{proposed.assertion_id.hex()}")


def find_lane(client: Client, fork: Fork) -> tuple[Story, Lane] | None:
    """Return the duel of the two roots and the lane that the contract recomputed, once it did."""
    lie = fork.false[-1].assertion.assertion_id
    for found in fetch_chronicle(client.chain, client.deployment).list_stories():
        if lie not in found.ids:
            continue
        for bout in found.bouts:
            if bout.lane is not None and bout.lane.contract is not None:
                return found, bout.lane
    return None


def tell_duel(client: Client, fork: Fork, decided: tuple[Story, Lane]) -> None:
    """Show the way from the two roots down to one number, and what the contract made of it."""
    found, lane = decided
    place, lie = found.place, fork.false[-1].assertion.assertion_id
    if place is None or lane.values is None or lane.transaction is None:
        raise Fatal("the duel ended without a lane")
    side = found.ids.index(lie)
    theirs, ours = lane.values[side], lane.values[1 - side]
    if lane.contract != ours or ours == theirs:
        raise Fatal("the contract did not find the challengers right")
    explained = client.explain(CallId(place.call))
    texts = [text for _, text in explained.prompt] + [d.text for d in explained.decisions]
    mined = client.chain.find_mined(lane.transaction)
    if mined is None:
        raise Fatal("the transaction that decided is not on the chain")
    story.tell_lane(found, lane, (theirs, ours), texts, mined.gas_used)


def bury(stage: Stage, client: Client, fork: Fork) -> None:
    """Move the clock over the challenge window; wait until the lie is dead and the truth final."""
    lie, truth = (side[-1].assertion.assertion_id for side in (fork.false, fork.true))
    window = client.rollup.fetch_settings().challenge_window
    stage.devnet.advance(window + 1)
    story.say(f"The demo moved the local chain's clock {window + 1} s forward, over the window:")

    def ended() -> bool | None:
        rollup = client.rollup
        is_dead = rollup.fetch_status(lie) is Status.DEFEATED
        return (is_dead and rollup.fetch_status(truth) is Status.FINAL) or None

    stage.wait("the end of the fork", ended)
    slashed = client.fetch_stake(stage.keys[SEQUENCER].address).slashed
    told = "slashed" if slashed else "kept"
    story.say(f"  the false root is DEFEATED and its stake {told}; the true sibling is FINAL")


def summarize(client: Client, fork: Fork) -> str:
    """Ask the contracts how the fork ended, and return the end of the last line.

    Raises:
        Fatal: the false root is not DEFEATED, or the head is not the true one.
    """
    rollup = client.rollup
    lie, truth = (side[-1].assertion for side in (fork.false, fork.true))
    head = rollup.fetch_head()
    defeated = int(rollup.fetch_status(lie.assertion_id) is Status.DEFEATED)
    if not defeated or rollup.fetch_final_id(head) != truth.assertion_id:
        raise Fatal(f"the head is {head} and not the true sibling")
    return f"{defeated} false roots defeated by one lane, head at {head}"
