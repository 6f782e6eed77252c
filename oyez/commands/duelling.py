"""`oyez dispute` draws duels from the chain alone, and plays one about a number that it breaks."""

from __future__ import annotations

from typing import Any

import click

from oyez.commands import arguments, output
from oyez.commands.settings import Settings, build_client, pass_settings
from oyez.dispute.story import BoutStory, Lane, Place, Story, fetch_chronicle
from oyez.protocol.errors import Fatal
from oyez.protocol.inner import DEAD
from oyez.protocol.types import CallId, Hash32, Status

#: Above it a number is not exact in every JSON reader.
EXACT = 1 << 53


@click.group()
def dispute() -> None:
    """Look at duels, and try one."""


@dispute.command()
@click.argument("wanted", metavar="[ID]", type=arguments.HASH, required=False)
@pass_settings
def show(settings: Settings, *, wanted: Hash32 | None) -> None:
    """Draw a duel, by its key or by an assertion's id; all of them without one.

    From the logs: the two siblings, the record in which they differ, each bout's lane with what
    both champions hold there and what the contract computed.
    """
    client = build_client(settings)
    stories = fetch_chronicle(client.chain, client.deployment).list_stories(wanted)
    statuses = {side: client.rollup.fetch_status(side) for story in stories for side in story.ids}
    lines = [line for story in stories for line in draw(story, statuses)]
    result = {"duels": [build(story, statuses) for story in stories]}
    output.emit(result, lines or ["no duels"], as_json=settings.json)


def build(story: Story, statuses: dict[Hash32, Status]) -> dict[str, Any]:
    """Return a duel as JSON."""
    return {
        "duel": output.format_hex(story.key),
        "batch": story.batch,
        "sides": [
            {
                "assertion": output.format_hex(side),
                "proposer": output.format_hex(proposer),
                "status": statuses[side].name,
            }
            for side, proposer in zip(story.ids, story.proposers, strict=True)
        ],
        "moves": story.moves,
        "record": None if story.place is None else build_place(story.place),
        "bouts": [build_bout(bout) for bout in story.bouts],
        "falls": [
            {"champion": output.format_hex(staker), "side": side, "how": how.name}
            for staker, side, how in story.falls
        ],
    }


def build_place(place: Place) -> dict[str, Any]:
    """Return a record's place as JSON."""
    return {
        "index": place.record,
        "call": place.call,
        "position": place.position,
        "layer": place.layer,
        "what": place.what,
    }


def build_bout(bout: BoutStory) -> dict[str, Any]:
    """Return a bout as JSON."""
    found: dict[str, Any] = {
        "champions": [output.format_hex(champion) for champion in bout.champions],
        "phase": bout.phase,
        "out": [output.format_hex(champion) for champion in bout.out],
        "lane": None,
    }
    if bout.lane is not None:
        found["lane"] = build_lane(bout.lane)
    return found


def build_lane(lane: Lane) -> dict[str, Any]:
    """Return a lane as JSON; a PAD leaf's is the text PAD, a long number hexadecimal."""
    return {
        "leaf": lane.leaf,
        "op": lane.op,
        "kind": lane.kind,
        "lane": lane.lane,
        "values": None if lane.values is None else [format_lane(value) for value in lane.values],
        "contract": None if lane.contract is None else format_lane(lane.contract),
        "transaction": (None if lane.transaction is None else output.format_hex(lane.transaction)),
    }


def format_lane(value: int) -> int | str:
    """Return a lane's value for people and programs."""
    if value == DEAD:
        return "PAD"
    return value if abs(value) < EXACT else hex(value)


def draw(story: Story, statuses: dict[Hash32, Status]) -> list[str]:
    """Return a duel as lines of text."""
    lines = [f"duel {output.format_hex(story.key)} about batch {story.batch}"]
    for name, side, proposer in zip(("older", "newer"), story.ids, story.proposers, strict=True):
        told = f"{output.format_hex(side)} of {output.format_hex(proposer)}"
        lines.append(f"  {name}  {told}, {statuses[side].name}")
    if story.place is None:
        return [*lines, f"  the first record that differs is not found yet, {story.moves} moves"]
    lines.append(f"  they differ first in {draw_place(story.place)}, after {story.moves} moves")
    for bout in story.bouts:
        lines += draw_bout(bout)
    return lines


def draw_place(place: Place) -> str:
    """Return a record's place in words."""
    where = f"call {place.call}, position {place.position}"
    return f"{where}, layer {place.layer}" if place.layer is not None else f"{where}, {place.what}"


def draw_bout(bout: BoutStory) -> list[str]:
    """Return a bout as lines of text."""
    names = [output.format_hex(champion) for champion in bout.champions]
    lines = [f"  bout of {names[0]} and {names[1]}: {bout.phase}"]
    lane = bout.lane
    if lane is not None:
        what = f"leaf {lane.leaf}"
        if lane.op is not None:
            what += f", op {lane.op}"
        if lane.lane is not None:
            what += f", lane {lane.lane}" + (f" ({lane.kind})" if lane.kind else "")
        lines.append(f"    {what}")
        if lane.values is not None and lane.contract is not None and lane.transaction is not None:
            first, second = map(format_lane, lane.values)
            lines.append(
                f"    {first} against {second}; the contract computes {format_lane(lane.contract)}"
                f" in {output.format_hex(lane.transaction)}"
            )
    lines += [f"    {output.format_hex(champion)} is out" for champion in bout.out]
    return lines


@dispute.command()
@click.option("--call", "call_id", type=arguments.CALL_ID, required=True, help="Of a closed batch.")
@click.option(
    "--flip",
    required=True,
    metavar="OP[:POSITION[:LANE]]",
    help="The number to break, such as query-row, logit-row:112 or down-row:7:300.",
)
@pass_settings
def sim(settings: Settings, *, call_id: CallId, flip: str) -> None:
    """Break one number of a call on a copy of the chain, and watch it die.

    A local chain goes on from the deployment's own, at the block at which the call's batch could be
    answered. One account posts the batch with that number false and defends it, another the truth;
    nothing of it is seen on the real chain.
    """
    # the model's arithmetic is imported where it is needed
    from oyez.dispute import choosing, simulation
    from oyez.engines.exact.engine import ExactEngine

    wish = choosing.parse_wish(flip)
    progress = output.Progress()
    client = build_client(settings, report=progress.show)
    engine = client.load_engine()
    if not isinstance(engine, ExactEngine):
        raise Fatal("only the exact engine's numbers can be disputed")
    found = simulation.simulate(
        client.deployment,
        engine,
        call_id,
        wish,
        log=lambda _event, /, **_facts: None,
        report=progress.show,
    )
    progress.clear()
    result = found.build_json()
    layer = "" if result["layer"] is None else f", layer {result['layer']}"
    lines = [
        f"call {call_id}, position {result['position']}{layer}: {result['op']}, "
        f"lane {result['lane']}",
        f"  ours {result['ours']}, theirs {result['theirs']}, the contract computes "
        f"{result['contract']}",
        f"  {'DEFEATED' if result['defeated'] else 'STANDS'}: resolved in {result['transaction']}; "
        f"the honest side spent {result['gas']:,} gas",
    ]
    output.emit(result, lines, as_json=settings.json)
    if not result["defeated"]:
        click.get_current_context().exit(output.Exit.NEGATIVE)
