"""The second act: a false root is posted, seen, and answered; then neither side becomes final.

The liar is a program of the tests' (tests/actors/lying_sequencer.py) with the sequencer's key and
the real model: the sequencer itself cannot lie. What is shown comes from the chain and from the
challengers' own verdicts, never from the liar.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oyez.chain.client import Reverted
from oyez.chain.contracts import Rollup
from oyez.chain.events import AssertionProposed
from oyez.client import Client
from oyez.demo import story
from oyez.demo.calls import DISPUTED
from oyez.demo.stage import AUTHOR, CHALLENGERS, SEQUENCER, Stage
from oyez.protocol.errors import Fatal
from oyez.protocol.types import Finality, Hash32, Status
from oyez.reader import Posted

LIAR = "lying_sequencer"


@dataclass(frozen=True, slots=True)
class Fork:
    """Two siblings, each with the history that it makes: all batches up to its own."""

    false: list[Posted]
    true: list[Posted]


def tell(stage: Stage, action_id: Hash32, final: Sequence[Posted], index: int) -> str:
    """Play the act and return the end of the last line.

    Args:
        stage: after the first act; the sequencer still runs.
        action_id: of the ballot.
        final: every batch so far, all of them final.
        index: in the next batch, of the call that is lied about.

    Raises:
        Fatal: anything but what the act is about: two siblings live, both challengers name the
            same call, and neither sibling can be final.
    """
    client = stage.client(AUTHOR)
    stage.children.stop("sequencer")
    lie = ("--call", str(index), "--calls", str(len(DISPUTED)))
    module = ("-m", f"tests.actors.{LIAR}")
    stage.start(LIAR, SEQUENCER, ("python", *module, "--deployment", str(stage.file), *lie))
    story.say()
    story.say(
        f"Second act: the sequencer's process is stopped. tests/actors/{LIAR}.py, which has its\n"
        "key, closes the next batch and posts a false root for it. Nobody tells the challengers."
    )
    stage.call(action_id, DISPUTED)
    head = final[-1].assertion.assertion_id
    stage.wait("the false root", lambda: find_children(client, head) or None)
    # it is done, or about to be
    stage.children.stop(LIAR)
    fork = stage.wait("its sibling", lambda: find_fork(stage, client, final))
    tell_lie(stage, client, fork, index)
    refuse_both(stage, client, fork)
    return summarize(client, fork, before=final[-1].batch.number)


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


def find_name(stage: Stage, proposed: AssertionProposed) -> str:
    """Return the name of the challenger who proposed; Fatal when none did."""
    for name, account in CHALLENGERS.items():
        if stage.keys[account].address == proposed.proposer:
            return name
    raise Fatal(f"a stranger proposed 0x{proposed.assertion_id.hex()}")


def refuse_both(stage: Stage, client: Client, fork: Fork) -> None:
    """Move the clock over the window of both, and show that `finalize` refuses each."""
    window = client.rollup.fetch_settings().challenge_window
    stage.devnet.advance(window + 1)
    story.say(
        f"The demo moved the local chain's clock {window + 1} s forward, over the window of both:"
    )
    for name, side in (("false root", fork.false), ("true sibling", fork.true)):
        reason = fetch_refusal(client.rollup, side[-1].assertion.assertion_id)
        story.say(f"  finalize of the {name} reverts: {reason}")
    story.say("Neither becomes final until a duel decides between them; duels come next.")


def fetch_refusal(rollup: Rollup, assertion_id: Hash32) -> str:
    """Return why the Rollup does not make an assertion final now; Fatal when it would."""
    finalize = rollup.build_finalize(assertion_id)
    try:
        rollup.chain.call(rollup.address, finalize.data)
    except Reverted as error:
        return error.reason
    raise Fatal(f"0x{assertion_id.hex()} could become final beside a living sibling")


def summarize(client: Client, fork: Fork, before: int) -> str:
    """Ask the contracts how the fork stands, and return the end of the last line.

    Raises:
        Fatal: a sibling does not live, or the head moved.
    """
    rollup, siblings = client.rollup, [side[-1].assertion for side in (fork.false, fork.true)]
    stored = [rollup.fetch_assertion(sibling.assertion_id) for sibling in siblings]
    head, (batch, *others) = rollup.fetch_head(), {assertion.batch for assertion in stored}
    if others or any(assertion.status is not Status.PENDING for assertion in stored):
        raise Fatal("the fork does not have two living siblings")
    calls = fork.true[-1].batch.entries
    levels = {rollup.fetch_finality(entry.call_id, batch) for entry in calls}
    if head != before or levels != {Finality.POSTED}:
        raise Fatal(f"the head moved to {head} under an open fork")
    return f"fork open at batch {batch}, head stays at {head}"
