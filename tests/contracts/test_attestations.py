"""Assertions that an enclave signed: a flag that anyone may set, and that decides nothing."""

from __future__ import annotations

from typing import Any

import pytest
from eth_keys.datatypes import Signature

from oyez.protocol import codec
from oyez.protocol.types import Address
from tests.contracts.attesting import KEY, ORDER, OTHER, REGISTRY, Deployed, sign, signer_of
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


@pytest.mark.parametrize("chain_id", [31_337, 1_337])
def test_a_local_chain_takes_simulated_enclaves(chain_id: int) -> None:
    """Rule: ROLLUP-27"""
    assert Deployed(is_simulated=True, chain_id=chain_id).rollup.head() == 0
    with reverts("rollup: simulated enclaves"):
        Deployed(is_simulated=True, chain_id=chain_id + 1)


def test_the_highest_s_is_half_the_order() -> None:
    """A signature that no key was needed for: its key is the one that fits. Rule: ROLLUP-26"""
    made = Deployed()
    posted = made.propose()
    r, digest = sign(posted)[:32], codec.H("ATTEST", REGISTRY, posted)
    half = Signature(vrs=(0, int.from_bytes(r), ORDER // 2))
    owner = Address(half.recover_public_key_from_msg_hash(digest).to_canonical_address())
    made.registry.name(owner, True)
    for v, s in ((28, ORDER // 2 + 1), (27, ORDER // 2 + 1)):
        with reverts("rollup: higher s"):
            made.rollup.attest(posted, r + s.to_bytes(32) + bytes([v]))
    made.rollup.attest(posted, r + (ORDER // 2).to_bytes(32) + bytes([27]))
    assert made.world.event("AssertionAttested") == {"assertion_id": posted, "signer": owner}


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
