"""Documents on chain: signed, in force and newer; what judges quotes follows the newest."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from oyez.attestation.collateral import parse_collateral
from oyez.attestation.simulated import EVALUATION
from oyez.attestation.simulated_certificates import sign
from oyez.attestation.simulated_documents import svn_level, written
from oyez.attestation.submissions import (
    Submission,
    compute_mark,
    compute_subject_id,
    split_quote,
)
from tests.contracts.harness import encode_call
from tests.tdx_chain import DAY, TdxChain, find_entry
from tests.tdx_submissions import (
    CA,
    NOW,
    PCK,
    PLATFORM,
    QE,
    QUOTE,
    ROOT,
    SIGNER_ID,
    TCB,
    document,
    issuer,
    judged,
    made,
    pck_list,
    qe,
    tcb,
    tried,
)


def test_the_usual_collateral_is_stored_and_logged(chain: TdxChain) -> None:
    """Rule: ATTEST-21, ATTEST-22, ATTEST-23"""
    assert judged(chain) is None
    read = chain.collateral
    given = parse_collateral(PLATFORM.collateral(NOW))
    info, identity = given.tcb_info, given.qe_identity
    assert chain.read(read, "tcb_info", PLATFORM.fmspc) == (
        info.issued, info.until, EVALUATION, True,
    )  # fmt: skip
    assert chain.read(read, "qe_identity") == (
        identity.issued, identity.until, EVALUATION, True,
    )  # fmt: skip
    for one, listed in ((ROOT, given.root_revoked), (CA, given.pck_revoked)):
        assert chain.read(read, "list_dates", compute_subject_id(one)) == (
            listed.this_update,
            listed.next_update,
        )
    stored = chain.read(read, "issuer", compute_subject_id(CA))
    assert stored[0] + stored[1] == CA.key
    assert chain.read(read, "issuer", bytes(32)) == (bytes(32), bytes(32), 0, 0)
    assert chain.read(read, "root") == (ROOT.key[:32], ROOT.key[32:])

    receipt = chain.submit(pck_list(7, 8))
    event = chain.event(read, receipt, "ListStored")
    assert event == {
        "issuer": compute_subject_id(CA),
        "this_update": NOW - 100,
        "next_update": PLATFORM.pck_list_form(NOW).next_update,
        "entries": 2,
    }
    revoked = [e.args for e in chain.events(read, receipt) if e.name == "CertificateRevoked"]
    assert [one["serial"] for one in revoked] == [7, 8]
    assert [one["mark"] for one in revoked] == [
        compute_mark(replace(PCK, serial=serial)) for serial in (7, 8)
    ]
    again = chain.submit(pck_list(8, 9, at=NOW - 50))
    assert [e.args["serial"] for e in chain.events(read, again)[:-1]] == [9]
    event = chain.event(read, chain.submit(document(TCB, tcb())), "TcbInfoStored")
    assert (event["fmspc"], event["issued"], event["is_current"]) == (
        PLATFORM.fmspc, NOW - 100, True,
    )  # fmt: skip
    event = chain.event(read, chain.submit(document(QE, qe())), "QeIdentityStored")
    assert (event["issued"], event["is_current"]) == (NOW - 100, True)
    renewed = replace(PLATFORM.ca_form, not_before=NOW - 100)
    event = chain.event(read, chain.submit(issuer(renewed)), "IssuerStored")
    assert event == {
        "issuer": compute_subject_id(CA),
        "mark": compute_mark(CA),
        "role": 1,
        "until": CA.not_after,
    }
    assert judged(chain) is None


@pytest.mark.parametrize("name", [TCB, QE])
def test_documents_are_signed_in_force_and_newer(chain: TdxChain, name: str) -> None:
    """Rule: ATTEST-23, ATTEST-11, ATTEST-17"""
    day_ago = NOW - DAY
    for by in ("ca", "pck", "root", "foreign"):
        wrong = document(name, made(name), by=by)
        assert tried(chain, wrong) == "collateral: not signed"
    by_ca = document(name, made(name), by="ca", signer=compute_subject_id(CA))
    assert tried(chain, by_ca) == "issuers: unknown"
    unknown = document(name, made(name), signer=bytes(32))
    assert tried(chain, unknown) == "issuers: unknown"
    good = document(name, made(name))
    changed = (
        good.arguments[0]
        .replace(b'"isvsvn":4', b'"isvsvn":3')
        .replace(b'"pcesvn":13', b'"pcesvn":12')
    )
    assert changed != good.arguments[0]
    tampered = Submission(name, (changed, *good.arguments[1:]))
    assert tried(chain, tampered) == "collateral: not signed"
    assert tried(chain, document(name, made(name, NOW + 9_999))) == ("collateral: of later")
    expired = made(name)
    expired["nextUpdate"] = made(name, NOW - 50)["issueDate"]
    assert tried(chain, document(name, expired)) == "collateral: expired"
    for at in (day_ago, day_ago - 1):
        old = document(name, made(name, at))
        assert tried(chain, old) == "collateral: not newer"
    lower = document(name, made(name, tcbEvaluationDataNumber=EVALUATION - 1))
    assert tried(chain, lower) == "collateral: evaluation number"
    chain.submit(document(name, made(name, tcbEvaluationDataNumber=EVALUATION + 1)))
    same = document(name, made(name, NOW - 90))
    assert tried(chain, same) == "collateral: evaluation number"
    assert judged(chain) is None


@pytest.mark.parametrize(
    "status",
    [
        *("SWHardeningNeeded", "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded"),
        *("OutOfDate", "OutOfDateConfigurationNeeded", "Revoked"),
    ],
)
def test_a_newer_document_whose_first_level_is_not_up_to_date_ends_all(
    chain: TdxChain, status: str
) -> None:
    """Rule: ATTEST-17, ATTEST-19, ATTEST-20"""
    mark = chain.node.snapshot()
    worse = tcb()
    worse["tcbLevels"][0]["tcbStatus"] = status
    event = chain.event(chain.collateral, chain.submit(document(TCB, worse)), "TcbInfoStored")
    assert event["is_current"] is False
    assert judged(chain) == "tdx: no platform up to date"
    old = document(TCB, tcb(NOW - 200))
    assert tried(chain, old) == "collateral: not newer"
    chain.submit(document(TCB, tcb(NOW - 50)))
    assert judged(chain) is None

    chain.node.restore(mark)
    mark = chain.node.snapshot()
    chain.submit(document(QE, qe(tcbLevels=[svn_level(4, status), svn_level(3)])))
    assert judged(chain) == "tdx: no enclave up to date"
    chain.submit(document(QE, qe(NOW - 50)))
    assert judged(chain) is None

    chain.node.restore(mark)
    worse = tcb()
    worse["tdxModuleIdentities"][1]["tcbLevels"] = [svn_level(5, status), svn_level(4)]
    chain.submit(document(TCB, worse))
    assert judged(chain) == "tdx: unknown module"


def test_a_newer_tcb_info_raises_the_standard(chain: TdxChain) -> None:
    """Rule: ATTEST-24, ATTEST-19"""
    behind = "tdx: platform not up to date"
    for at, (member, value, reason) in enumerate((
        ("pcesvn", 14, behind),
        ("sgxtcbcomponents", 15, behind),
        ("tdxtcbcomponents", 2, behind),
        ("tdxtcbcomponents", 15, behind),
        ("isvsvn", 6, "tdx: module not up to date"),
    )):  # fmt: skip
        raised = tcb(NOW - 100 + at)
        level = raised["tcbLevels"][0]["tcb"]
        if member == "pcesvn":
            level[member] = value
        elif member == "isvsvn":
            raised["tdxModuleIdentities"][1]["tcbLevels"][0]["tcb"][member] = value
        else:
            level[member][value]["svn"] += 1
        chain.submit(document(TCB, raised))
        assert judged(chain) == reason, member
    chain.submit(document(TCB, tcb(NOW - 50)))
    assert judged(chain) is None
    chain.submit(document(QE, qe(tcbLevels=[svn_level(5)])))
    assert judged(chain) == "tdx: enclave not up to date"


def test_a_module_that_a_newer_tcb_info_leaves_out_is_unknown(chain: TdxChain) -> None:
    """Rule: ATTEST-19, ATTEST-24"""
    fewer = tcb()
    del fewer["tdxModuleIdentities"][1]
    chain.submit(document(TCB, fewer))
    assert judged(chain) == "tdx: unknown module"
    without = tcb(NOW - 90)
    del without["tdxModuleIdentities"]
    chain.submit(document(TCB, without))
    assert judged(chain) == "tdx: unknown module"
    for place in (("tdxModuleIdentities", 1), ("tdxModule",)):
        for member, value in (
            ("mrsigner", "01" + "00" * 47),
            ("attributes", "00" * 7 + "01"),
            ("attributesMask", "FF" * 7 + "FE"),
        ):
            chain.node.mine()
            other = tcb(NOW - 80)
            part: Any = other
            for step in place:
                part = part[step]
            part[member] = value
            mark = chain.node.snapshot()
            chain.submit(document(TCB, other))
            assert judged(chain) == (None if len(place) == 1 else "tdx: unknown module")
            chain.node.restore(mark)


def test_what_has_expired_judges_nothing(chain: TdxChain) -> None:
    """Rule: ATTEST-24, ATTEST-22, ATTEST-11"""
    ca = replace(PLATFORM.ca_form, not_before=NOW - 100, not_after=NOW + DAY)
    chain.submit(issuer(ca))
    assert chain.verify(QUOTE)[2] == NOW + DAY
    chain.set_time(NOW + DAY)
    assert judged(chain) is None
    chain.set_time(NOW + DAY + 1)
    assert judged(chain) == "tdx: issuer expired"
    assert tried(chain, pck_list()) == "issuers: no longer valid"
    chain.submit(issuer(replace(PLATFORM.ca_form, not_before=NOW)))
    assert judged(chain) is None

    ends = NOW + 29 * DAY
    assert chain.verify(QUOTE)[2] == ends - 1  # a list's nextUpdate is too late
    chain.set_time(ends - 1)
    assert judged(chain) is None
    chain.set_time(ends)
    assert judged(chain) == "tdx: revocation list expired"
    chain.submit(pck_list(at=ends, next_update=ends + 90 * DAY))
    assert chain.verify(QUOTE)[2] == ends
    chain.set_time(ends + 1)
    assert judged(chain) == "tdx: tcb info expired"
    chain.submit(document(TCB, tcb(ends)))
    assert judged(chain) == "tdx: qe identity expired"
    chain.submit(document(QE, qe(ends)))
    assert judged(chain) is None
    signer = replace(PLATFORM.signer_form, not_before=ends, not_after=ends + 9 * DAY)
    chain.submit(issuer(signer))
    chain.submit(document(TCB, tcb(ends + 1)))
    assert chain.verify(QUOTE)[2] == ends + 9 * DAY
    root_ends = PLATFORM.root_list_form(NOW).next_update
    renewed = replace(PLATFORM.signer_form, not_before=root_ends - 1)
    chain.set_time(root_ends - 2)
    chain.set_next_time(root_ends - 1)
    mark = chain.node.snapshot()
    chain.submit(issuer(replace(renewed, not_before=root_ends - 2)))
    assert chain.now == root_ends - 1
    chain.node.restore(mark)
    chain.set_time(root_ends)
    assert judged(chain) == "tdx: revocation list expired"
    assert tried(chain, issuer(renewed)) == "issuers: root list expired"


def test_a_quote_needs_its_certificates_signature_whole(chain: TdxChain) -> None:
    """Rule: ATTEST-1, ATTEST-26"""
    parts = split_quote(QUOTE)
    for length in (0, 63):
        short = replace(parts, signature=parts.signature[:length])
        assert chain.why(chain.verify_parts, short) == "tdx: signature length"
    head = parts.quote
    for cut in (head[:-1], head + b"\0", head[:1257]):
        assert chain.why(chain.verify_parts, replace(parts, quote=cut)) in (
            "quote: of another length",
            "quote: ends too early",
        )
    assert chain.why(chain.verify_parts, replace(parts, quote=b"")) == "quote: ends too early"


def test_a_byte_behind_a_certificate_is_refused(chain: TdxChain) -> None:
    """The signature is of the certificate alone, so it is the layout that refuses.

    Rule: ATTEST-5
    """
    parts = split_quote(QUOTE)
    for more in (b"\0", bytes(32), parts.certificate[:1]):
        longer = replace(parts, certificate=parts.certificate + more)
        assert chain.why(chain.verify_parts, longer) == "x509: not the template"
    renewed = issuer(replace(PLATFORM.ca_form, not_before=NOW - 100))
    signed, signature = renewed.arguments
    longer_ca = Submission(renewed.name, (signed + b"\0", signature))
    assert tried(chain, longer_ca) == "x509: not the template"
    for by in (1, -1):  # the length that it says, signed so
        said = (int.from_bytes(signed[2:4]) + by).to_bytes(2)
        false = signed[:2] + said + signed[4:]
        lying = Submission(renewed.name, (false, sign(PLATFORM.key("root"), false)))
        assert tried(chain, lying) == "x509: not the template"
    assert tried(chain, renewed) is None


@pytest.mark.parametrize("name", [TCB, QE])
def test_what_stands_behind_a_document_is_no_part_of_it(chain: TdxChain, name: str) -> None:
    """Rule: ATTEST-19, ATTEST-20"""
    text = written(made(name)).encode()
    status = text.index(b'UpToDate"', text.index(b"tdxtcb") if name == TCB else 0)
    entry = find_entry(chain.collateral.abi, name)
    selector = encode_call(entry, b"", bytes(64), bytes(32))[:4]
    for cut in (1, 100, status, status + 8, status + 9, len(text)):
        signature = sign(PLATFORM.key("signer"), text[:cut])
        # the rest of the text lies behind the signed part, the signature behind both
        body = cut.to_bytes(32) + text + bytes(-len(text) % 32)
        head = (96).to_bytes(32) + (96 + len(body)).to_bytes(32) + SIGNER_ID
        data = selector + head + body + (64).to_bytes(32) + signature
        expected = None if cut >= status + 9 else "documents: not all of it signed"
        assert chain.why(chain.chain.call, chain.collateral.address, data) == expected


def test_what_is_signed_but_no_document_is_refused(chain: TdxChain) -> None:
    """Rule: ATTEST-19, ATTEST-20"""
    for name in (TCB, QE):
        for text in (b"", b"{", b" " + written(made(name)).encode()):
            submission = Submission(name, (text, sign(PLATFORM.key("signer"), text), SIGNER_ID))
            assert tried(chain, submission) == "documents: not the template"
