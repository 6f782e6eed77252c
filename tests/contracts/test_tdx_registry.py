"""Keys of enclaves: registered by fresh quotes of their own, ended by time or by bad news."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from oyez.attestation import p256
from oyez.attestation.certificates import parse_certificate
from oyez.attestation.simulated import SimulatedPlatform
from oyez.attestation.simulated_documents import svn_level
from oyez.attestation.simulated_quote import issue_quote
from oyez.attestation.submissions import compute_mark, compute_workload
from tests import tdx_keys
from tests.devnet import Anvil
from tests.tdx_chain import CURATOR, DAY, DELAY, LIFETIME, STRANGER, TdxChain
from tests.tdx_keys import APPLICATION, PLATFORM, WORKLOAD, EnclaveKey, Request, new_key, register
from tests.tdx_submissions import (
    CA,
    NOW,
    PCK,
    ROOT,
    SIGNER,
    document,
    pck_list,
    qe,
    root_list,
    tcb,
)

OTHER = b"\5" * 32
KEY = new_key("one")


@pytest.fixture(scope="module")
def node() -> Iterator[TdxChain]:
    with Anvil(timestamp=NOW) as node:
        chain = TdxChain(node, ROOT, (WORKLOAD,))
        chain.submit_all(PLATFORM.collateral(NOW))
        yield chain


def refusal(chain: TdxChain, request: Request, who: int = STRANGER) -> str | None:
    return chain.why(register, chain, request, who=who)


def active(chain: TdxChain, key: EnclaveKey = KEY) -> bool:
    found = chain.read(chain.registry, "is_active", key.address)
    assert isinstance(found, bool)
    assert chain.read(chain.registry, "enclave", key.address)[5] == found
    return found


def prune(chain: TdxChain, evidence: tuple[object, ...], key: EnclaveKey = KEY) -> str | None:
    return chain.why(chain.send, chain.registry, "prune", key.address, evidence)


def quoted_td15(data: bytes) -> bytes:
    return PLATFORM.quote(data, version=5, td15=True)


def test_a_key_is_registered_and_logged(chain: TdxChain) -> None:
    """Rule: ATTEST-28, ATTEST-30, ENCLAVE-5"""
    registry = chain.registry
    assert not active(chain)
    assert chain.read(registry, "application", KEY.address) == bytes(32)
    for quoted in (PLATFORM.quote, quoted_td15):
        chain.node.mine(2)
        request = KEY.request(chain, quoted)
        receipt = register(chain, request)
        logged = chain.event(registry, receipt, "EnclaveRegistered")
        expiry = chain.now + LIFETIME
        assert logged["signer"] == KEY.address
        assert logged["workload"] == WORKLOAD == logged["evidence"]["workload"]
        assert logged["application"] == APPLICATION
        assert (logged["expiry"], logged["ref_block"]) == (expiry, request.ref_block)
        assert logged["evidence"]["mark"] == compute_mark(PCK)
        record = chain.read(registry, "enclave", KEY.address)
        assert record[0] == APPLICATION
        assert record[2:] == (expiry, request.ref_block, compute_mark(PCK), True)
    assert active(chain)
    assert not active(chain, new_key("another"))
    assert chain.read(registry, "application", KEY.address) == APPLICATION
    assert chain.read(registry, "collateral") == "0x" + chain.collateral.address.hex()
    assert chain.read(registry, "lifetime") == LIFETIME


def test_the_key_itself_needs_no_signature(chain: TdxChain) -> None:
    """Rule: ATTEST-28"""
    own = EnclaveKey(bytes.fromhex(chain.node.accounts[3].key[2:]))
    request = replace(own.request(chain), possession=b"")
    assert refusal(chain, request) == "enclaves: no proof of possession"
    register(chain, request, who=3)
    assert active(chain, own)


def test_others_need_the_keys_own_signature(chain: TdxChain) -> None:
    """Rule: ATTEST-28"""
    request = KEY.request(chain)
    other = new_key("another").request(chain).possession
    right = request.possession
    for wrong in (b"", right[:64], other, right[:64] + b"\0", b"\0" * 65, right[:32] + right):
        assert refusal(chain, replace(request, possession=wrong[:65])) == (
            "enclaves: no proof of possession"
        )
    # a quote that names the zero address, which is what a false signature recovers to
    nobody = EnclaveKey(KEY.secret)
    zero = tdx_keys.Address(bytes(20))
    binding = tdx_keys.compute_binding(
        chain.node.chain_id,
        chain.registry.address,
        zero,
        request.ref_block,
        chain.chain.fetch_block(request.ref_block).hash,
    )
    quote = PLATFORM.quote(binding + APPLICATION)
    for possession in (b"\0" * 65, nobody.sign(binding)[:64] + b"\1"):
        assert refusal(chain, Request(quote, zero, request.ref_block, possession)) == (
            "enclaves: no proof of possession"
        )


def test_a_quote_names_key_registry_and_chain(chain: TdxChain) -> None:
    """Rule: ATTEST-28, ENCLAVE-5"""
    wrong = "enclaves: quote for another key"
    request = KEY.request(chain)
    other = new_key("another").request(chain)
    assert refusal(chain, replace(other, quote=request.quote)) == wrong
    assert refusal(chain, KEY.request(chain, chain_id=1)) == wrong
    assert refusal(chain, KEY.request(chain, registry=chain.collateral.address)) == wrong
    assert refusal(chain, replace(request, ref_block=request.ref_block - 1)) == wrong
    assert refusal(chain, replace(request, quote=PLATFORM.quote(bytes(64)))) == wrong
    register(chain, request)


def test_a_quote_is_of_one_of_the_last_256_blocks(chain: TdxChain) -> None:
    """Rule: ATTEST-28"""
    newest = chain.chain.fetch_block().number
    ahead = KEY.request(chain, ref_block=newest)
    # a call sees the newest block's own number, whose hash nothing can know yet
    assert refusal(chain, ahead) == "enclaves: block not mined yet"
    assert refusal(chain, KEY.request(chain, ref_block=newest + 9)) == (
        "enclaves: block not mined yet"
    )
    request = KEY.request(chain, ref_block=newest - 1)
    chain.node.request("anvil_mine", hex(254))
    mark = chain.node.snapshot()
    register(chain, request)
    assert chain.chain.fetch_block().number == request.ref_block + 256
    chain.node.restore(mark)
    chain.node.mine(2)
    assert refusal(chain, request) == "enclaves: block too old"


def test_a_quote_registers_once(chain: TdxChain) -> None:
    """Rule: ATTEST-28"""
    first = KEY.request(chain)
    register(chain, first)
    assert refusal(chain, first) == "enclaves: quote not newer"
    at = len(first.quote) - len(PLATFORM.quote_form().chain) - 626 + 4
    s = p256.ORDER - int.from_bytes(first.quote[at + 32 : at + 64])
    twin = first.quote[: at + 32] + s.to_bytes(32) + first.quote[at + 64 :]
    assert chain.why(chain.verify, twin) is None
    assert refusal(chain, replace(first, quote=twin)) == "enclaves: quote not newer"
    same_block = KEY.request(chain, quoted_td15, ref_block=first.ref_block)
    assert refusal(chain, same_block) == "enclaves: quote not newer"
    older = KEY.request(chain, ref_block=first.ref_block - 1)
    assert refusal(chain, older) == "enclaves: quote not newer"
    chain.node.mine()
    register(chain, KEY.request(chain))
    # one quote for each key: another key's does not stand in the way
    register(chain, new_key("another").request(chain, ref_block=first.ref_block))


def altered(**fields: bytes) -> tdx_keys.Quoted:
    def quoted(data: bytes) -> bytes:
        form = PLATFORM.quote_form(data)
        return issue_quote(replace(form, report=replace(form.report, **fields)))

    return quoted


@pytest.mark.parametrize(
    "field",
    [
        *("xfam", "mr_td", "mr_config_id", "mr_owner", "mr_owner_config"),
        *("rt_mr0", "rt_mr1", "rt_mr2", "td_attributes"),
    ],
)
def test_only_a_listed_workload_registers(chain: TdxChain, field: str) -> None:
    """Rule: ATTEST-26, ATTEST-27"""
    usual: bytes = getattr(PLATFORM.quote_form().report, field)
    value = bytes.fromhex("0000005000000000")
    if field != "td_attributes":
        value = usual[:-1] + bytes((usual[-1] ^ 1,))
    quoted = altered(**{field: value})
    assert refusal(chain, KEY.request(chain, quoted)) == "enclaves: workload not allowed"
    workload = compute_workload(quoted(bytes(64)))
    chain.send(chain.registry, "announce_workload", workload, who=CURATOR)
    assert refusal(chain, KEY.request(chain, quoted)) == "enclaves: workload not allowed"
    chain.set_time(chain.now + DELAY - 1)
    assert refusal(chain, KEY.request(chain, quoted)) == "enclaves: workload not allowed"
    chain.set_time(chain.now + 1)
    register(chain, KEY.request(chain, quoted))


def test_what_grows_while_a_domain_runs_is_no_part_of_its_workload(chain: TdxChain) -> None:
    """Rule: ATTEST-26"""
    register(chain, KEY.request(chain, altered(rt_mr3=b"\7" * 48, mr_seam=b"\7" * 48)))
    assert active(chain)


def test_the_curator_alone_changes_the_list(chain: TdxChain) -> None:
    """Rule: ATTEST-27"""
    registry = chain.registry
    assert chain.read(registry, "allowed_from", OTHER) == 0
    assert chain.read(registry, "allowed_from", WORKLOAD) > 0
    assert chain.read(registry, "workload_curator") == "0x" + chain.account(CURATOR).hex()
    assert chain.read(registry, "workload_delay") == DELAY
    announce, withdraw = "announce_workload", "withdraw_workload"
    assert chain.why(chain.send, registry, announce, OTHER) == "workloads: curator only"
    assert chain.why(chain.send, registry, withdraw, WORKLOAD) == "workloads: not the curator"
    assert chain.why(chain.send, registry, withdraw, OTHER, who=CURATOR) == (
        "workloads: not on the list"
    )
    receipt = chain.send(registry, announce, OTHER, who=CURATOR)
    assert chain.event(registry, receipt, "WorkloadAnnounced") == {
        "workload": OTHER,
        "allowed_from": chain.now + DELAY,
    }
    assert chain.read(registry, "allowed_from", OTHER) == chain.now + DELAY
    for known in (OTHER, WORKLOAD):
        assert chain.why(chain.send, registry, announce, known, who=CURATOR) == (
            "workloads: already on the list"
        )
    receipt = chain.send(registry, withdraw, OTHER, who=CURATOR)
    assert chain.event(registry, receipt, "WorkloadWithdrawn") == {"workload": OTHER}
    assert chain.read(registry, "allowed_from", OTHER) == 0


def test_a_key_expires_with_the_first_that_vouches_for_it(chain: TdxChain) -> None:
    """Rule: ATTEST-28, ATTEST-30"""
    leaf = replace(PLATFORM.pck_form, not_after=NOW + 5 * DAY)
    short = SimulatedPlatform()
    short.pck_form = leaf
    request = KEY.request(chain, short.quote)
    logged = chain.event(chain.registry, register(chain, request), "EnclaveRegistered")
    assert logged["expiry"] == NOW + 5 * DAY
    chain.submit(document("submit_tcb_info", tcb(nextUpdate="2025-10-12T00:00:00Z")))
    chain.node.mine()
    logged = chain.event(
        chain.registry, register(chain, KEY.request(chain, short.quote)), "EnclaveRegistered"
    )
    assert logged["expiry"] == 1_760_227_200
    chain.set_time(1_760_227_200)
    assert active(chain)
    chain.set_time(1_760_227_201)
    assert not active(chain)
    record = chain.read(chain.registry, "enclave", KEY.address)
    assert (record[2], record[5]) == (1_760_227_200, False)
    assert chain.read(chain.registry, "application", KEY.address) == APPLICATION


def test_a_registration_lasts_its_lifetime(chain: TdxChain) -> None:
    """Rule: ATTEST-28, ATTEST-30"""
    register(chain, KEY.request(chain))
    start = chain.now
    chain.set_time(start + LIFETIME)
    assert active(chain)
    chain.set_time(start + LIFETIME + 1)
    assert not active(chain)


def test_revocation_reaches_a_live_key_at_once(chain: TdxChain) -> None:
    """Rule: ATTEST-30, ATTEST-29"""
    evidence = tdx_keys.evidence_of(chain, register(chain, KEY.request(chain)))
    chain.submit(pck_list(PCK.serial - 1))
    assert active(chain)
    assert prune(chain, evidence) == "enclaves: key still holds"
    chain.submit(pck_list(PCK.serial, at=NOW - 90))
    assert not active(chain)
    receipt = chain.send(chain.registry, "prune", KEY.address, evidence)
    assert chain.event(chain.registry, receipt, "EnclavePruned") == {
        "signer": KEY.address,
        "fault": 9,
    }
    record = chain.read(chain.registry, "enclave", KEY.address)
    assert record[2:] == (0, chain.chain.fetch_block().number, bytes(20), False)
    assert prune(chain, evidence) == "enclaves: no such key"
    assert refusal(chain, KEY.request(chain)) == "tdx: pck revoked"


def test_whoever_falls_behind_is_pruned(chain: TdxChain) -> None:
    """Rule: ATTEST-29"""
    evidence = tdx_keys.evidence_of(chain, register(chain, KEY.request(chain, quoted_td15)))
    assert prune(chain, evidence) == "enclaves: key still holds"
    mark = chain.node.snapshot()

    def raised(*path: str | int) -> dict[str, Any]:
        found = tcb()
        place: Any = found
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] += 1
        return found

    top = ("tcbLevels", 0, "tcb")
    worse = tcb()
    worse["tcbLevels"][0]["tcbStatus"] = "OutOfDate"
    fewer = tcb()
    del fewer["tdxModuleIdentities"][1]
    for fault, submission in (
        (10, root_list(CA.serial)),
        (11, document("submit_tcb_info", worse)),
        (12, document("submit_qe_identity", qe(tcbLevels=[svn_level(4, "OutOfDate")]))),
        (13, document("submit_qe_identity", qe(mrsigner="00" * 32))),
        (13, document("submit_qe_identity", qe(isvprodid=3))),
        (13, document("submit_qe_identity", qe(attributes="15" + "00" * 15))),
        (13, document("submit_qe_identity", qe(miscselect="01000000"))),
        (14, document("submit_qe_identity", qe(tcbLevels=[svn_level(5)]))),
        (15, document("submit_tcb_info", raised(*top, "pcesvn"))),
        (15, document("submit_tcb_info", raised(*top, "sgxtcbcomponents", 15, "svn"))),
        (15, document("submit_tcb_info", raised(*top, "tdxtcbcomponents", 2, "svn"))),
        (16, document("submit_tcb_info", fewer)),
        (17, document("submit_tcb_info", raised(
            "tdxModuleIdentities", 1, "tcbLevels", 0, "tcb", "isvsvn"
        ))),
    ):  # fmt: skip
        chain.submit(submission)
        receipt = chain.send(chain.registry, "prune", KEY.address, evidence)
        assert chain.event(chain.registry, receipt, "EnclavePruned")["fault"] == fault
        assert not active(chain)
        chain.node.restore(mark)
        mark = chain.node.snapshot()
        assert active(chain)


def test_what_only_time_has_ended_is_not_pruned(chain: TdxChain) -> None:
    """Rule: ATTEST-29"""
    evidence = tdx_keys.evidence_of(chain, register(chain, KEY.request(chain)))
    chain.set_time(NOW + 30 * DAY)
    assert not active(chain)
    assert prune(chain, evidence) == "enclaves: key still holds"


def test_a_withdrawn_workload_ends_its_keys(chain: TdxChain) -> None:
    """Rule: ATTEST-29, ATTEST-27"""
    evidence = tdx_keys.evidence_of(chain, register(chain, KEY.request(chain)))
    chain.send(chain.registry, "withdraw_workload", WORKLOAD, who=CURATOR)
    assert active(chain)
    receipt = chain.send(chain.registry, "prune", KEY.address, evidence)
    assert chain.event(chain.registry, receipt, "EnclavePruned")["fault"] == 18
    assert not active(chain)
    assert refusal(chain, KEY.request(chain)) == "enclaves: workload not allowed"


def test_a_withdrawn_workload_ends_its_keys_also_while_collateral_is_late(chain: TdxChain) -> None:
    """Rule: ATTEST-29, ATTEST-27"""
    evidence = tdx_keys.evidence_of(chain, register(chain, KEY.request(chain)))
    chain.submit(root_list(SIGNER.serial))  # nothing is judged until the documents come again
    assert prune(chain, evidence) == "enclaves: key still holds"
    chain.send(chain.registry, "withdraw_workload", WORKLOAD, who=CURATOR)
    assert active(chain)
    receipt = chain.send(chain.registry, "prune", KEY.address, evidence)
    assert chain.event(chain.registry, receipt, "EnclavePruned")["fault"] == 18
    assert not active(chain)


def test_a_pruned_key_stays_out_until_a_later_quote(chain: TdxChain) -> None:
    """Rule: ATTEST-28, ATTEST-29"""
    chain.node.mine(3)
    first = KEY.request(chain, ref_block=chain.chain.fetch_block().number - 3)
    evidence = tdx_keys.evidence_of(chain, register(chain, first))
    waiting = KEY.request(chain)
    assert waiting.ref_block > first.ref_block
    raised = tcb()
    raised["tcbLevels"][0]["tcb"]["pcesvn"] = 14
    chain.submit(document("submit_tcb_info", raised))
    chain.send(chain.registry, "prune", KEY.address, evidence)
    chain.submit(document("submit_tcb_info", tcb(NOW - 50)))
    for old in (first, waiting):
        assert refusal(chain, old) == "enclaves: quote not newer"
    chain.node.mine(2)
    register(chain, KEY.request(chain))
    assert active(chain)


def test_nobody_prunes_by_other_evidence(chain: TdxChain) -> None:
    """Rule: ATTEST-29"""
    register(chain, new_key("another").request(chain))
    evidence = tdx_keys.evidence_of(chain, register(chain, KEY.request(chain)))
    for place, value in enumerate(evidence):
        other = bytes(len(value)) if isinstance(value, bytes) else value ^ 1
        false = (*evidence[:place], other, *evidence[place + 1 :])
        assert prune(chain, false) == "enclaves: other evidence", place
    assert prune(chain, evidence, new_key("third")) == "enclaves: no such key"
    assert active(chain)


def test_another_chains_id_is_not_this_ones() -> None:
    """Rule: ATTEST-28, ENCLAVE-5"""
    with Anvil(timestamp=NOW, chain_id=1_337) as node:
        chain = TdxChain(node, ROOT, (WORKLOAD,))
        chain.submit_all(PLATFORM.collateral(NOW))
        other = KEY.request(chain, chain_id=31_337)
        assert refusal(chain, other) == "enclaves: quote for another key"
        register(chain, KEY.request(chain))
        assert active(chain)


def test_without_a_curator_the_list_is_fixed() -> None:
    """Rule: ATTEST-27"""
    with Anvil(timestamp=NOW) as node:
        chain = TdxChain(node, parse_certificate(PLATFORM.root), (WORKLOAD,))
        nobody = bytes(20)
        fixed = chain.deploy(
            "TdxRegistrySim", chain.collateral.address, LIFETIME, nobody, DELAY, [WORKLOAD, OTHER]
        )
        for who in (0, CURATOR):
            for name in ("announce_workload", "withdraw_workload"):
                assert chain.why(chain.send, fixed, name, OTHER, who=who) is not None
        assert chain.read(fixed, "allowed_from", OTHER) == chain.now


def test_a_curator_has_a_delay(chain: TdxChain) -> None:
    """Rule: ATTEST-27"""
    taken = (chain.collateral.address, LIFETIME)
    refusal = chain.why(chain.deploy, "TdxRegistrySim", *taken, chain.account(CURATOR), 0, [])
    assert refusal == "workloads: curator without delay"
    for curator, delay in ((chain.account(CURATOR), 1), (bytes(20), 0)):
        chain.deploy("TdxRegistrySim", *taken, curator, delay, [WORKLOAD])
