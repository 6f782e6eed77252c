"""Who vouches, on chain: issuers from the root alone, lists that revoke for good."""

from __future__ import annotations

from dataclasses import replace

from oyez.attestation.certificates import parse_certificate
from oyez.attestation.collateral import parse_collateral
from oyez.attestation.simulated import SimulatedPlatform
from oyez.attestation.simulated_certificates import issue, pem
from oyez.attestation.simulated_documents import module, svn_level
from oyez.attestation.simulated_quote import issue_quote
from oyez.attestation.submissions import (
    Submission,
    compute_mark,
    list_submissions,
)
from tests.devnet import Anvil
from tests.tdx_chain import DAY, TdxChain
from tests.tdx_submissions import (
    CA,
    NOW,
    PCK,
    PLATFORM,
    QE,
    ROOT,
    SIGNER,
    TCB,
    document,
    issuer,
    judged,
    made,
    pck_list,
    qe,
    root_list,
    submit_list,
    tcb,
    tried,
)


def test_lists_are_signed_in_force_and_newer(chain: TdxChain) -> None:
    """Rule: ATTEST-21, ATTEST-7, ATTEST-17"""
    day_ago = NOW - DAY
    for make, ends in ((root_list, NOW + 1_000), (pck_list, NOW + 2_000)):
        assert tried(chain, make(at=day_ago)) == "issuers: list not newer"
        assert tried(chain, make(at=day_ago - 1)) == "issuers: list not newer"
        chain.set_time(ends)
        assert tried(chain, make(at=ends + 1)) == "issuers: list of later"
        assert tried(chain, make(next_update=ends)) == "issuers: list expired"
        chain.set_next_time(ends + 1)  # the last second
        chain.submit(make(at=day_ago + 1, next_update=ends + 2))
        assert chain.now == ends + 1
        right = make()
        unsigned = Submission("submit_list", (right.arguments[0], right.arguments[1][::-1]))
        assert tried(chain, unsigned) == "issuers: list not signed"
        short = Submission("submit_list", (right.arguments[0], right.arguments[1][:63]))
        assert tried(chain, short) == "issuers: signature length"
        chain.submit(make(at=day_ago + 2))
        chain.set_time(ends + 100)
        chain.submit(make(at=ends + 100))  # the first second
    chain.set_time(NOW + 3_000)
    for by in ("pck", "root", "signer"):
        listed = pck_list(at=NOW + 3_000, by=by)
        assert tried(chain, listed) == "issuers: list not signed"


def test_only_a_stored_ca_issues_lists(chain: TdxChain) -> None:
    """Rule: ATTEST-21, ATTEST-6"""
    for form, by in (
        (PLATFORM.signer_form, "signer"),
        (PLATFORM.pck_form, "pck"),
        (SimulatedPlatform(b"another seed").ca_form, "ca"),
    ):
        listed = replace(
            PLATFORM.pck_list_form(NOW),
            this_update=NOW - 100,
            issuer=form.subject,
            authority=form.identifier,
        )
        assert tried(chain, submit_list(listed, by)) == "issuers: unknown"


def test_issuers_come_from_the_root_alone(chain: TdxChain) -> None:
    """Rule: ATTEST-22, ATTEST-6"""
    form = replace(PLATFORM.ca_form, not_before=NOW - 100)
    other = SimulatedPlatform(b"another seed")
    for foreign in (other.ca_form, other.signer_form):
        assert tried(chain, issuer(foreign)) == "issuers: not issued by the root"
    below = replace(form, issuer=form.subject, authority=form.identifier, subject=ROOT.subject)
    assert tried(chain, issuer(below, by="ca")) == "issuers: not issued by the root"
    assert tried(chain, issuer(form, by="ca")) == "issuers: not signed"
    assert tried(chain, issuer(replace(form, not_before=NOW + 9_999))) == ("issuers: not valid yet")
    assert tried(chain, issuer(replace(form, not_after=NOW - 9))) == "issuers: expired"
    assert tried(chain, issuer(PLATFORM.ca_form)) == "issuers: not newer"
    older = replace(PLATFORM.signer_form, not_before=PLATFORM.signer_form.not_before - 1)
    assert tried(chain, issuer(older)) == "issuers: not newer"
    for wrong in (PLATFORM.root_form, PLATFORM.pck_form):
        read = parse_certificate(issue(wrong, PLATFORM.key("root")))
        submission = Submission("submit_issuer", (read.signed, read.signature))
        assert tried(chain, submission) == "x509: not the template"
    chain.submit(issuer(form))
    assert judged(chain) is None


def test_without_a_roots_list_there_are_no_issuers() -> None:
    """Rule: ATTEST-22"""
    with Anvil(timestamp=NOW) as node:
        chain = TdxChain(node, ROOT)
        first, *rest = list_submissions(parse_collateral(PLATFORM.collateral(NOW)))
        assert tried(chain, rest[0]) == "issuers: root list expired"
        assert judged(chain) == "tdx: unknown issuer"
        chain.submit(first)
        for submission in rest[:2]:
            chain.submit(submission)
        assert judged(chain) == "tdx: no tcb info"
        chain.submit(rest[3])
        assert judged(chain) == "tdx: no qe identity"
        chain.submit(rest[4])
        assert judged(chain) == "tdx: revocation list expired"
        chain.submit(rest[2])
        assert judged(chain) is None


def test_whoever_is_revoked_stays_revoked(chain: TdxChain) -> None:
    """Rule: ATTEST-21, ATTEST-7"""
    chain.submit(pck_list(PCK.serial + 1))
    assert judged(chain) is None
    chain.submit(pck_list(5, PCK.serial, at=NOW - 90))
    assert judged(chain) == "tdx: pck revoked"
    chain.submit(pck_list(at=NOW - 80))
    assert judged(chain) == "tdx: pck revoked"
    assert chain.read(chain.collateral, "is_revoked", compute_mark(PCK)) is True
    assert chain.read(chain.collateral, "is_revoked", compute_mark(CA)) is False


def test_a_revoked_ca_vouches_for_nothing(chain: TdxChain) -> None:
    """Rule: ATTEST-21, ATTEST-22, ATTEST-24"""
    chain.submit(root_list(CA.serial))
    assert judged(chain) == "tdx: issuer revoked"
    assert tried(chain, pck_list()) == "issuers: revoked since"
    renewed = replace(PLATFORM.ca_form, not_before=NOW - 100)
    assert tried(chain, issuer(renewed)) == "issuers: revoked"
    chain.submit(issuer(replace(renewed, serial=4242)))
    assert judged(chain) is None


def test_a_revoked_signers_documents_count_no_longer(chain: TdxChain) -> None:
    """Rule: ATTEST-23, ATTEST-24"""
    chain.submit(root_list(SIGNER.serial))
    assert judged(chain) == "tdx: signer revoked"
    assert tried(chain, document(TCB, tcb())) == "issuers: revoked since"
    renewed = replace(PLATFORM.signer_form, not_before=NOW - 100, serial=4242)
    chain.submit(issuer(renewed))
    # the same documents once more, under a signer that is not revoked
    day_ago = NOW - DAY
    both = [document(TCB, tcb(day_ago)), document(QE, qe(day_ago))]
    for first, second in (both, both[::-1]):
        mark = chain.node.snapshot()
        chain.submit(first)
        assert judged(chain) == "tdx: signer revoked"
        chain.submit(second)
        assert judged(chain) is None
        chain.node.restore(mark)
    for one in both:
        chain.submit(one)
    for name in (TCB, QE):
        again = document(name, made(name, day_ago))
        assert tried(chain, again) == "collateral: not newer"
    # a revoked CA, or a stranger, leaves the signers' documents alone
    chain.submit(root_list(9, at=NOW - 90))
    assert judged(chain) is None


def test_what_a_revoked_signer_added_counts_no_longer(chain: TdxChain) -> None:
    """Of two TCB infos of one time and number the one that stands says which modules there are.

    Rule: ATTEST-23, ATTEST-24
    """
    unknown = PLATFORM.quote_form()
    tee = bytes((9, 9, 3)) + bytes(13)
    raw = issue_quote(replace(unknown, report=replace(unknown.report, tee_tcb_svn=tee)))
    added = tcb()
    added["tdxModuleIdentities"] += [module(9, svn_level(1))]
    chain.submit(document(TCB, added))
    assert chain.why(chain.verify, raw) is None
    chain.submit(root_list(SIGNER.serial))
    chain.submit(issuer(replace(PLATFORM.signer_form, not_before=NOW - 100, serial=4242)))
    chain.submit(document(TCB, tcb()))
    chain.submit(document(QE, qe()))
    assert judged(chain) is None
    assert chain.why(chain.verify, raw) == "tdx: unknown module"


def test_the_name_of_an_issuer_alone_says_nothing(chain: TdxChain) -> None:
    """Rule: ATTEST-22, ATTEST-6"""
    twin = SimulatedPlatform(b"another seed")
    form = replace(
        twin.ca_form, issuer=ROOT.subject, authority=ROOT.identifier, not_before=NOW - 100
    )
    chain.submit(issuer(form))
    assert judged(chain) is None
    leaf = replace(PLATFORM.pck_form, authority=form.identifier)
    chain_of = pem(issue(leaf, twin.key("ca")), PLATFORM.ca, PLATFORM.root)
    raw = issue_quote(replace(PLATFORM.quote_form(), chain=chain_of))
    assert chain.why(chain.verify, raw) == "tdx: revocation list expired"
