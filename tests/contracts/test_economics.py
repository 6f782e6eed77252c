"""What attacks on the inbox cost and reach; and the model they run on, beside the contract."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st

from oyez.chain.deploy import ROOT, DeploySettings
from oyez.protocol import constants
from scripts.economics import attacks, costs
from scripts.economics.inbox import Inbox, Refused, Rules
from tests.contracts.conftest import publish
from tests.contracts.harness import CALLER, ETHER, SEQUENCER, Reverted, World, settings
from tests.contracts.manifests import BALLOT
from tests.contracts.proposals import ZERO

FIXED = 1_500
WEI = 10**18
STEPS = st.lists(
    st.tuples(st.sampled_from([0, 0, 0, 1, 2, 12, 300]), st.integers(0, 512)),
    min_size=20,
    max_size=70,
)


@budget(max_examples=20, deadline=None)
@given(STEPS)
def test_prices_and_levels_are_the_contracts_on_any_schedule(
    schedule: list[tuple[int, int]],
) -> None:
    """Invariant 43: the price rises with the level, at the deployment's own constants.

    Rule: INBOX-4, INBOX-5
    """
    world = World(settings())
    action_id = publish(world, BALLOT.change(fixed=FIXED))
    plain = settings()
    rules = Rules(
        plain.max_batch_work,
        plain.leak_per_second,
        plain.max_batch_seconds,
        plain.min_batch_seconds,
    )
    model = Inbox(rules)
    for seconds, size in schedule * 3:
        world.pass_time(seconds, blocks=1)
        arguments = CALLER, FIXED + size, BALLOT.output_bytes(), ETHER, world.now, world.block
        try:
            told: object = model.submit(*arguments).fee
        except Refused as refusal:
            told = refusal.reason
        try:
            world.inbox.submit(action_id, b"", b"x" * size, ZERO, 0, value=ETHER)
            found: object = world.event("CallQueued")["fee"]
        except Reverted as refusal:
            found = refusal.reason
        assert found == told
    assert world.inbox.escrow() == model.escrow
    assert world.balance(world.inbox.address) - world.inbox.escrow() == (
        model.surplus + sum(model.credits.values())
    )


def test_the_bucket_leaks_at_most_half_of_what_one_core_replays() -> None:
    """Invariant 43, Audit 1 H4, Audit 2 H4: also when every position is decoded, one by one."""
    assert DeploySettings(SEQUENCER, ()).leak_per_second == constants.LEAK_PER_SECOND
    assert costs.load_verifier().slowest >= 2 * constants.LEAK_PER_SECOND


@pytest.mark.parametrize("tiny", [False, True])
def test_no_flood_outruns_a_verifier(tiny: bool) -> None:
    """Invariant 43, Audit 1 H4: a second hour's calls replay in it, any batch within D/4."""
    found = attacks.outrun(attacks.PRODUCTION, 0, tiny=tiny)

    assert found.reached == "no"
    assert found.cost(1) > WEI // 3


def test_a_leak_above_the_rate_would_be_outrun() -> None:
    """The same simulation sees the hole when there is one: 250 a second let decoding through."""
    wide = attacks.Deployment(Rules(65_536, 250, 600, 60), grace=3_600, response=86_400)

    assert attacks.outrun(wide, 0).reached == "yes"


def test_shutting_the_inbox_costs_its_sequencer_the_surge() -> None:
    """Audit 2 H5: fees come back to it, what is burned does not."""
    found = attacks.starve("work", attacks.PRODUCTION, 0, sequencer=True)

    assert (found.reached, found.lost) == ("yes", 0)
    assert found.burned > 4 * WEI // 10
    outsider = attacks.starve("work", attacks.PRODUCTION, 0)
    assert outsider.cost(1) > found.cost(1)


def test_a_flood_of_outputs_is_the_dearer_way_to_starve() -> None:
    """Audit 1 H5, decision 0008: the bucket need not price declared output bytes."""
    by_work = attacks.starve("work", attacks.PRODUCTION, 0)
    for how in ("outputs", "entries"):
        flood = attacks.starve(how, attacks.PRODUCTION, 0)
        assert flood.cost(1) > 40 * by_work.cost(1)
        assert flood.profit(100) > 0


def test_forced_batch_data_costs_its_author_more_than_the_proposer() -> None:
    """Audit 1 H5: above the break-even gas price too, and the bytes of an hour are bounded."""
    found = attacks.force_bytes(attacks.PRODUCTION, 0)
    assert found.profit(20) > 0 > found.profit(100)
    assert found.cost(100) > 2 * -found.profit(100)


def test_batches_of_one_call_are_bounded_by_the_closing_rule() -> None:
    """Audit 2 M1: six an hour, whose proposer breaks even at 3 gwei."""
    found = attacks.thin(attacks.PRODUCTION, 0)
    assert found.measure == "6 batches"
    assert found.profit(2.9) > 0 > found.profit(3.1)


def test_a_call_a_block_does_not_keep_a_batch_open() -> None:
    """Invariant 41: nor does it shorten the sequencer's grace."""
    found = attacks.delay(attacks.PRODUCTION, 0)
    assert found.reached == "no"
    assert "3600 s left" in found.measure


def test_the_table_is_printed_the_same_for_the_same_seed() -> None:
    command = [sys.executable, "-m", "scripts.economics", "--json", "--gas-price", "7"]
    runs = [
        subprocess.run([*command, "--seed", seed], cwd=ROOT, capture_output=True, check=True)
        for seed in ("3", "3")
    ]
    assert runs[0].stdout == runs[1].stdout
    rows = json.loads(runs[0].stdout)
    assert len(rows) == 10
    assert all(set(row["cost_eth"]) == {"7"} for row in rows)
