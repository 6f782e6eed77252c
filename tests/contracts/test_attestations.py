"""Assertions that an enclave signed: a flag that anyone may set, and that decides nothing."""

from __future__ import annotations

from typing import Any

import pytest

from oyez.protocol.types import Address
from tests.contracts.attesting import KEY, ORDER, OTHER, Deployed, sign, signer_of
from tests.contracts.harness import CALLER, GAME, STRANGER, reverts
from tests.contracts.proposals import make_proposal, stake


def test_anyone_attests_what_a_registered_key_signed() -> None:
    """Rule: ROLLUP-26"""
    made = Deployed()
    posted = made.propose()
    before = made.rollup.assertion(posted)
    assert not made.rollup.attested(posted)

    made.rollup.attest(posted, sign(posted), sender=CALLER)

    assert made.rollup.attested(posted)
    assert made.world.event("AssertionAttested") == {
        "assertion_id": posted,
        "signer": signer_of(KEY),
    }
    # nothing else that is said of it moves
    assert made.rollup.assertion(posted) == before
    assert made.rollup.finality(0, 1) == 2
    made.rollup.attest(posted, sign(posted), sender=STRANGER)
    assert made.rollup.attested(posted)


def test_the_window_runs_on_and_finality_keeps_the_flag() -> None:
    """Rule: ROLLUP-26"""
    made = Deployed()
    posted = made.propose()
    made.rollup.attest(posted, sign(posted))
    made.world.pass_time(599)
    with reverts("rollup: too early"):
        made.rollup.finalize(posted)
    made.world.pass_time(1)
    made.rollup.finalize(posted)
    assert (made.rollup.status(posted), made.rollup.attested(posted)) == (2, True)
    found = made.rollup.assertion(posted)
    assert (found.allowance, found.created_at) == (0, made.world.now)


def test_a_final_assertion_may_still_be_attested_and_a_dead_one_not() -> None:
    """Rule: ROLLUP-26"""
    made = Deployed()
    posted = made.propose()
    stake(made.world, CALLER)
    lie = made.propose(make_proposal(salt=1), sender=CALLER)
    made.rollup.attest(lie, sign(lie))
    # a duel is decided by lanes alone
    made.rollup.defeat(lie, sender=GAME)
    with reverts("rollup: too late to attest"):
        made.rollup.attest(lie, sign(lie))
    made.world.pass_time(700)
    made.rollup.finalize(posted)
    assert not made.rollup.attested(posted)
    made.rollup.attest(posted, sign(posted))
    assert made.rollup.attested(posted)


def change(signature: bytes, at: int, value: int) -> bytes:
    return signature[:at] + bytes([value]) + signature[at + 1 :]


def test_what_no_registered_key_signed_is_refused_by_name() -> None:
    """Rule: ROLLUP-26"""
    made = Deployed()
    posted = made.propose()
    good = sign(posted)
    higher = ORDER - int.from_bytes(good[32:64], "big")
    for reason, signature in (
        ("rollup: signature length", good[:64]),
        ("rollup: signature length", b""),
        ("rollup: higher s", good[:32] + higher.to_bytes(32, "big") + bytes([55 - good[64]])),
        ("rollup: signature v", change(good, 64, good[64] - 27)),
        ("rollup: signature v", change(good, 64, 29)),
        ("rollup: no signature", bytes(32) + good[32:]),
        ("rollup: no enclave's key", sign(posted, OTHER)),
        ("rollup: no enclave's key", sign(posted, registry=Address(b"\x09" * 20))),
        ("rollup: no enclave's key", sign(made.genesis)),
        ("rollup: no enclave's key", change(good, 64, 55 - good[64])),
    ):
        with reverts(reason):
            made.rollup.attest(posted, signature)
    made.registry.name(signer_of(KEY), False)
    with reverts("rollup: no enclave's key"):
        made.rollup.attest(posted, good)
    assert not made.rollup.attested(posted)


def test_a_signature_is_of_one_sibling_alone() -> None:
    """Rule: ROLLUP-26"""
    made = Deployed()
    posted = made.propose()
    stake(made.world, CALLER)
    sibling = made.propose(make_proposal(salt=1), sender=CALLER)
    with reverts("rollup: no enclave's key"):
        made.rollup.attest(sibling, sign(posted))
    made.rollup.attest(posted, sign(posted))
    assert (made.rollup.attested(posted), made.rollup.attested(sibling)) == (True, False)


def test_what_was_never_proposed_is_not_attested() -> None:
    """Rule: ROLLUP-26"""
    made = Deployed()
    coming = made.predict(make_proposal())
    with reverts("rollup: nothing to attest"):
        made.rollup.attest(coming, sign(coming))
    assert not made.rollup.attested(coming)


def test_without_a_registry_nothing_is_attested() -> None:
    """Rule: ROLLUP-27"""
    made = Deployed(enclaves=Address(bytes(20)))
    posted = made.propose()
    with reverts("rollup: no enclaves"):
        made.rollup.attest(posted, sign(posted))


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        ("rollup: no enclaves to need", {"enclaves": Address(bytes(20)), "needs_enclave": True}),
        ("rollup: simulated enclaves", {"is_simulated": True}),
    ],
)
def test_the_constructor_refuses(reason: str, changes: dict[str, Any]) -> None:
    """On a chain of any id but the local ones. Rule: ROLLUP-27"""
    with reverts(reason):
        Deployed(**changes)


def test_a_sequencer_that_needs_an_enclave_is_first_only_with_its_word() -> None:
    """Rule: ROLLUP-28"""
    made = Deployed(needs_enclave=True)
    proposal = make_proposal()
    coming = made.predict(proposal)
    with reverts("rollup: sequencer needs enclave"):
        made.propose(proposal)
    with reverts("rollup: no enclave's key"):
        made.rollup.attest(coming, sign(coming, OTHER))
    made.rollup.attest(coming, sign(coming), sender=CALLER)
    assert not made.rollup.attested(coming)
    with reverts("rollup: sequencer needs enclave"):
        made.propose(make_proposal(salt=1))
    assert made.propose(proposal) == coming
    assert made.rollup.attested(coming)


def test_others_and_later_children_need_none() -> None:
    """Rule: ROLLUP-28, ROLLUP-18"""
    made = Deployed(needs_enclave=True)
    stake(made.world, CALLER)
    with reverts("rollup: sequencer proposes first"):
        made.propose(sender=CALLER)
    made.world.pass_time(61)
    posted = made.propose(sender=CALLER)
    assert not made.rollup.attested(posted)
    # a sibling of what stands, by the sequencer; and the word for one that stands
    sibling = made.propose(make_proposal(salt=1))
    made.rollup.attest(sibling, sign(sibling))
    assert made.rollup.attested(sibling)


def test_the_sequencer_past_its_time_needs_none() -> None:
    """Rule: ROLLUP-28"""
    made = Deployed(needs_enclave=True)
    made.world.pass_time(61)
    assert not made.rollup.attested(made.propose())
