"""The collateral keeper on a real chain: what is lacking, what is news, what can wait, crashes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from oyez.attestation.keeper import MARGIN
from oyez.attestation.simulated import SimulatedPlatform
from oyez.attestation.simulated_certificates import (
    issue,
    issue_list,
    key_identifier,
    pem,
    public_key,
)
from oyez.attestation.simulated_documents import svn_level, written
from oyez.chain import client
from oyez.chain.journal import SqlJournal, open_database
from tests.enclave_world import PLATFORM, EnclaveWorld, open_world, run
from tests.services import KilledError, kill

DAY = 86_400


@pytest.fixture(scope="module")
def opened() -> Iterator[EnclaveWorld]:
    with open_world() as made:
        yield made


@pytest.fixture
def world(opened: EnclaveWorld) -> Iterator[EnclaveWorld]:
    """The world as it was opened: each test has the chain for itself."""
    snapshot = opened.rollup.anvil.snapshot()
    yield opened
    opened.rollup.anvil.restore(snapshot)


class Given:
    """A source of fixed texts that counts how often it was asked."""

    def __init__(self, *texts: str) -> None:
        self.texts, self.asked = list(texts), 0

    def fetch(self, now: int) -> list[str]:
        self.asked += 1
        return self.texts


def told(log: Any, event: str = "kept") -> list[tuple[str, str]]:
    return [(facts["what"], facts.get("why") or facts["reason"]) for facts in log.named(event)]


ALL = [
    ("root list", "missing"),
    ("PCK issuer", "missing"),
    ("PCK list", "missing"),
    ("signer", "missing"),
    ("TCB info 51d051d051d0", "missing"),
    ("QE identity", "missing"),
]


def test_everything_is_brought_once(world: EnclaveWorld) -> None:
    """Rule: ENCLAVE-11"""
    source = Given(PLATFORM.collateral(world.now))
    keeper, log = world.keeper(source)
    run(keeper)
    assert told(log) == ALL
    assert world.kept.fetch_tcb_info(PLATFORM.fmspc).is_current
    run(keeper)
    assert source.asked == 1
    assert len(log.named("kept")) == len(ALL)
    second = world.keep(source)  # another keeper, or this one started from nothing
    assert told(second) == []
    assert source.asked == 2


def test_the_pcks_chain_may_stand_beside_the_nine_texts(world: EnclaveWorld) -> None:
    """Rule: ATTEST-8, ENCLAVE-11"""
    own = pem(PLATFORM.pck, PLATFORM.ca, PLATFORM.root).decode()
    for chain in (own, None):
        mark = world.rollup.anvil.snapshot()
        given = json.loads(PLATFORM.collateral(world.now)) | {"pck_certificate_chain": chain}
        assert told(world.keep(Given(json.dumps(given)))) == ALL
        world.rollup.anvil.restore(mark)
    given = json.loads(PLATFORM.collateral(world.now)) | {"pck_certificate_chain": 5}
    (unusable,) = world.keep(Given(json.dumps(given))).named("unusable")
    assert "pck_certificate_chain is no text" in str(unusable["reason"])


def test_what_is_newer_waits_until_what_is_stored_nears_its_end(world: EnclaveWorld) -> None:
    """Rule: ENCLAVE-11"""
    world.keep()
    end = world.kept.fetch_tcb_info(PLATFORM.fmspc).until
    assert end - world.now > MARGIN
    world.rollup.anvil.advance(DAY // 2)
    assert told(world.keep(margin=100 * DAY)) == []  # not worth it for less than a day more
    world.rollup.anvil.advance(DAY)
    assert told(world.keep()) == []
    world.rollup.anvil.advance(end - MARGIN - world.now - 60)
    assert told(world.keep()) == []
    world.rollup.anvil.advance(120)
    assert told(world.keep()) == [
        ("PCK list", "expiring"),
        ("TCB info 51d051d051d0", "expiring"),
        ("QE identity", "expiring"),
    ]
    assert world.kept.fetch_tcb_info(PLATFORM.fmspc).until > end + 10 * DAY
    assert told(world.keep()) == []


def test_a_running_keeper_asks_again_after_a_while(world: EnclaveWorld) -> None:
    """Rule: ENCLAVE-11"""
    source = Given(PLATFORM.collateral(world.now))
    keeper, log = world.keeper(source, ask_every=3_600)
    run(keeper)
    world.rollup.anvil.advance(3_000)
    run(keeper)
    assert source.asked == 1
    info = PLATFORM.tcb_info(world.now + DAY) | {"tcbEvaluationDataNumber": 19}
    world.rollup.anvil.advance(700)
    source.texts = [PLATFORM.collateral(world.now, tcb_info=written(info))]
    run(keeper)
    assert source.asked == 2
    assert told(log)[len(ALL) :] == [("TCB info 51d051d051d0", "news")]
    source.texts = [PLATFORM.collateral(world.now)]
    keeper.rewind()
    run(keeper)
    assert source.asked == 3


def test_news_is_sent_at_once(world: EnclaveWorld) -> None:
    """Rule: ENCLAVE-11"""
    world.keep()
    world.rollup.anvil.advance(DAY)
    now = world.now
    info = PLATFORM.tcb_info(now)
    info["tcbLevels"][0]["tcbStatus"] = "OutOfDate"
    enclave = PLATFORM.qe_identity(now) | {
        "tcbEvaluationDataNumber": 19,
        "tcbLevels": [svn_level(5), svn_level(4, "OutOfDate")],
    }
    revoked = PLATFORM.pck_list_form(now, [PLATFORM.pck_form.serial, 7])
    text = PLATFORM.collateral(
        now, tcb_info=written(info), qe_identity=written(enclave),
        pck_list=issue_list(revoked, PLATFORM.key("ca")),
    )  # fmt: skip
    assert told(world.keep(Given(text))) == [
        ("PCK list", "news"),
        ("TCB info 51d051d051d0", "news"),
        ("QE identity", "news"),
    ]
    assert not world.kept.fetch_tcb_info(PLATFORM.fmspc).is_current
    assert world.kept.fetch_qe_identity().evaluation == 19
    assert told(world.keep(Given(text))) == []
    world.rollup.anvil.advance(60)
    again = replace(revoked, this_update=world.now)
    text = PLATFORM.collateral(world.now, pck_list=issue_list(again, PLATFORM.key("ca")))
    assert "PCK list" not in [what for what, _ in told(world.keep(Given(text)))]


def test_what_is_older_or_the_same_is_not_even_offered(world: EnclaveWorld) -> None:
    """Rule: ENCLAVE-11"""
    world.rollup.anvil.advance(5 * DAY)
    now = world.now
    info = PLATFORM.tcb_info(now) | {"tcbEvaluationDataNumber": 19}
    world.keep(Given(PLATFORM.collateral(now, tcb_info=written(info))))
    older = PLATFORM.tcb_info(now - DAY) | {"tcbEvaluationDataNumber": 20}
    lower = PLATFORM.tcb_info(now + DAY)
    for document in (older, lower):
        listed = PLATFORM.pck_list_form(now - DAY, [99])
        text = PLATFORM.collateral(
            now, tcb_info=written(document), pck_list=issue_list(listed, PLATFORM.key("ca"))
        )
        log = world.keep(Given(text), margin=100 * DAY)
        assert told(log) + told(log, "refused") == []
    world.rollup.anvil.advance(60 * DAY)
    late = PLATFORM.collateral(world.now - 25 * DAY)  # newer, and what is stored has ended
    assert ("QE identity", "expiring") in told(world.keep(Given(late)))


def test_documents_of_a_revoked_signer_are_brought_again_under_another(
    world: EnclaveWorld,
) -> None:
    """Rule: ENCLAVE-11"""
    world.keep()
    now = world.now
    info, enclave = (written(one) for one in (PLATFORM.tcb_info(now), PLATFORM.qe_identity(now)))
    world.rollup.anvil.advance(DAY)
    key = public_key(PLATFORM.key("second signer"))
    form = replace(PLATFORM.signer_form, serial=77, key=key, identifier=key_identifier(key))
    chain = pem(issue(form, PLATFORM.key("root")), PLATFORM.root).decode()
    listed = PLATFORM.root_list_form(world.now, [PLATFORM.signer_form.serial])
    text = PLATFORM.collateral(
        world.now, tcb_info=info, qe_identity=enclave, signed_by="second signer",
        root_list=issue_list(listed, PLATFORM.key("root")),
        tcb_info_issuer_chain=chain, qe_identity_issuer_chain=chain,
    )  # fmt: skip
    log = world.keep(Given(text))
    assert told(log) == [
        ("root list", "news"),
        ("signer", "missing"),
        ("TCB info 51d051d051d0", "orphaned"),
        ("QE identity", "orphaned"),
    ]
    assert told(world.keep(Given(text))) == []


def test_what_the_contract_refuses_is_told_and_harms_nothing_else(world: EnclaveWorld) -> None:
    """Rule: ENCLAVE-11"""
    now = world.now
    foreign = SimulatedPlatform(b"another seed").collateral(now)
    late = PLATFORM.collateral(now + 5 * DAY)
    mixed = json.loads(PLATFORM.collateral(now))
    mixed["tcb_info_signature"] = "11" * 64
    source = Given("no JSON", foreign, late, json.dumps(mixed))
    keeper, log = world.keeper(source)
    run(keeper)
    (unusable,) = log.named("unusable")
    assert "not JSON" in str(unusable["reason"])
    refusals = set(told(log, "refused"))
    assert ("root list", "issuers: unknown") in refusals
    assert ("root list", "issuers: list of later") in refusals
    assert ("TCB info 51d051d051d0", "collateral: not signed") in refusals
    assert [what for what, _ in told(log)][-1] == "QE identity"
    count = len(log.named("refused"))
    run(keeper)
    assert len(log.named("refused")) == count
    nonce = world.rollup.chain.fetch_nonce(world.rollup.keys[4].address)
    assert nonce == len(log.named("kept"))  # what would be refused was not even sent


@pytest.mark.parametrize("left", [0, 1, 4, 7, 10, 11, 99])
def test_a_keeper_killed_at_any_moment_sends_nothing_twice(
    world: EnclaveWorld, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    """Rule: ENCLAVE-11"""
    source = Given(PLATFORM.collateral(world.now))
    start = world.rollup.chain.fetch_nonce(world.rollup.keys[4].address)

    def once() -> Any:
        journal = SqlJournal(open_database(tmp_path / "keeper.db"))
        try:
            return world.keep(source, journal=journal)
        finally:
            journal.close()

    with monkeypatch.context() as patched:
        count = [left]

        def counted(original: Any) -> Any:
            def wrapped(*args: Any, **kwargs: Any) -> Any:
                if count[0] == 0:
                    count[0] = -1
                    kill()
                count[0] -= 1
                return original(*args, **kwargs)

            return wrapped

        patched.setattr(SqlJournal, "put_signed", counted(SqlJournal.put_signed))
        patched.setattr(client.Chain, "send_raw", counted(client.Chain.send_raw))
        with contextlib.suppress(KilledError):
            once()
        assert (count[0] == -1) == (left < 12)
    once()
    assert told(once()) == []
    assert world.rollup.chain.fetch_nonce(world.rollup.keys[4].address) == start + len(ALL)
