"""`oyez attest check`: real quotes judged by the contracts as their files say, and altered ones."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from oyez import cli
from oyez.attestation.second_opinion import ask_dcap_qvl
from oyez.attestation.simulated_certificates import issue, issue_list, pem
from oyez.attestation.simulated_quote import issue_quote
from oyez.attestation.slices import cut_pem, join_quote
from oyez.attestation.submissions import split_quote
from oyez.attestation.trial import TOO_LARGE, explain, try_quote
from tests import tdx_samples
from tests.attest_checks import NOW, PLATFORM, ask, check, paths, reason
from tests.tdx_judging import TD10, TD15

#: dcap-qvl's answer -> the contract's reason.
REASONS = {
    "OutOfDate": "tdx: platform not up to date",
    "error: Verification failed: No matching TCB level found": "tdx: platform not up to date",
    "error: Verification failed: Debug mode is enabled": "tdx: domain in debug mode",
    "error: Verification failed: SEPT_VE_DISABLE is not enabled": "tdx: sept_ve_disable not set",
    "error: Verification failed: Invalid MR service TD": "tdx: bound service domain",
}
FULL_VERIFICATION_GAS = 220_000


@pytest.mark.parametrize(
    "case", tdx_samples.cases(), ids=lambda case: f"{case.quote}-{case.collateral}"
)
def test_published_quotes_are_judged_as_their_files_say(case: tdx_samples.Case) -> None:
    """Rule: CLI-12"""
    accepted = case.answer == "UpToDate"
    files = paths(case.quote, case.collateral)
    found = check(*files, case.now, code=0 if accepted else 1)
    assert list(found) == ["onchain", "reason", "dcap_qvl", "gas"]
    assert found["dcap_qvl"] == case.answer
    reason = None if accepted else REASONS.get(case.answer)
    if case.quote.startswith("sgx_"):
        reason = "quote: version not 4 or 5"
    assert (found["onchain"], found["reason"]) == ("accept" if accepted else "reject", reason)
    if accepted:
        assert 100_000 < found["gas"] <= FULL_VERIFICATION_GAS


def test_the_time_is_the_given_one() -> None:
    """Rule: CLI-12"""
    for quote, collateral in (TD10, TD15):
        start, until = tdx_samples.about(collateral)["window"]
        files = paths(quote, collateral)
        # the first that ends is a list, whose nextUpdate is too late
        for now, code in ((start, 0), (until - 1, 0), (start - 1, 1), (until, 1)):
            found = check(*files, now, code=code)
            assert (found["onchain"] == "accept") == (code == 0)
            assert (found["dcap_qvl"] == "UpToDate") == (code == 0)
        early = check(*files, start - 1, code=1)["reason"]
        late = check(*files, until, code=1)["reason"]
        assert early.startswith("collateral: ")
        assert early.endswith(("not in force yet", "of later", "not valid yet"))
        assert late.endswith("expired")


def test_a_quote_may_be_hex_and_text_says_the_same(tmp_path: Path) -> None:
    """Rule: CLI-12"""
    quote, collateral = paths(*TD10)
    now = tdx_samples.about(TD10[1])["suggested_now"]
    binary = check(quote, collateral, now, code=0)
    digits = quote.read_bytes().hex()
    lines = "\r\n".join(digits[at : at + 63] for at in range(0, len(digits), 63))
    odd = digits[:1] + " " + digits[1:]
    for text in (digits, f"0x{digits.upper()}\n", f"0X{digits}", f"\n0x\n{lines}\n", odd):
        (tmp_path / "quote.hex").write_text(text)
        assert check(tmp_path / "quote.hex", collateral, now, code=0) == binary
    args = ["attest", "check", str(quote), "--collateral", str(collateral), "--at"]
    said = CliRunner().invoke(cli.main, [*args, str(now)]).stdout
    assert said.splitlines() == ["accept", f"gas {binary['gas']}", "dcap-qvl: UpToDate"]
    said = CliRunner().invoke(cli.main, [*args, str(now + 10**9)]).stdout
    assert said.startswith("reject: tdx: pck expired\n")


@pytest.mark.parametrize(("version", "td15"), [(4, False), (5, False), (5, True)])
def test_simulated_quotes_count_under_their_own_root_alone(
    tmp_path: Path, version: int, td15: bool
) -> None:
    """Rule: CLI-12, ENCLAVE-1"""
    quote, collateral = tmp_path / "quote.bin", tmp_path / "collateral.json"
    quote.write_bytes(PLATFORM.quote(bytes(64), version=version, td15=td15))
    collateral.write_text(PLATFORM.collateral(NOW))
    found = check(quote, collateral, NOW, "--simulated", code=0)
    assert (found["onchain"], found["dcap_qvl"]) == ("accept", "UpToDate")
    refused = check(quote, collateral, NOW, code=1)
    assert refused["reason"] == "issuers: unknown"
    assert refused["dcap_qvl"].startswith("error")
    real, intel = paths(*TD10)
    now = tdx_samples.about(TD10[1])["suggested_now"]
    found = check(real, intel, now, "--simulated", code=1)
    assert found["reason"] == "issuers: unknown"


def test_the_quotes_own_issuers_count() -> None:
    """Rule: CLI-12"""
    quote = PLATFORM.quote(bytes(64))
    head = split_quote(quote).quote
    pck, ca, root = cut_pem(quote)
    assert reason(join_quote(head, pem(pck, ca, root))) == ""
    assert reason(join_quote(head, pem(pck, ca))) == ""  # the root is the contract's own
    assert reason(join_quote(head, pem(pck))) == "issuers: unknown"
    assert reason(join_quote(head, b"")) == "x509: not the template"
    for place in range(0, len(ca), 150):
        broken = bytearray(ca)
        broken[place] ^= 1
        assert reason(join_quote(head, pem(pck, bytes(broken), root))) != "", place


def test_a_quote_brings_the_certificates_that_it_says_and_whole_ones() -> None:
    """As dcap-qvl has it; what stands behind a quote is nobody's matter.

    Rule: CLI-12
    """
    raw, text = tdx_samples.raw(TD10[0]), tdx_samples.collateral(TD10[1])
    now = tdx_samples.about(TD10[1])["suggested_now"]
    head = split_quote(raw).quote
    chain = raw[len(head) :][: int.from_bytes(head[-4:], "little")]
    end = len(head) + len(chain)
    root = chain.rindex(b"-----BEGIN")
    crlf = chain.replace(b"\n", b"\r\n")
    for quote in (raw[:end], raw[:end] + b"more", join_quote(head, crlf)):
        assert try_quote(quote, text, now).accepted
        assert ask_dcap_qvl(quote, text, now) == "UpToDate"
    for quote in (
        raw[: end - 1],
        raw[: len(head) + root],
        join_quote(head, b"") + chain,
        join_quote(head, chain[: root + 40] + b"!" + chain[root + 41 :]),
    ):
        verdict = try_quote(quote, text, now)
        assert (verdict.accepted, verdict.reason) == (False, "x509: not the template")
        assert (ask_dcap_qvl(quote, text, now) or "").startswith("error")


def test_a_ca_renewed_since_is_taken_whichever_the_quote_brings() -> None:
    """Rule: CLI-12"""
    whole = json.loads(PLATFORM.collateral(NOW))
    form = replace(PLATFORM.ca_form, not_before=PLATFORM.ca_form.not_before + 1)
    renewed = issue(form, PLATFORM.key("root"))
    quote = PLATFORM.quote(bytes(64))
    newer = join_quote(split_quote(quote).quote, pem(PLATFORM.pck, renewed, PLATFORM.root))
    other = whole | {"pck_crl_issuer_chain": pem(renewed, PLATFORM.root).decode()}
    for raw, given in ((newer, whole), (quote, other)):
        text = json.dumps(given)
        assert reason(raw, text) == ""
        assert ask_dcap_qvl(raw, text, NOW, PLATFORM.root) == "UpToDate"


def test_parts_of_the_collateral_are_each_judged() -> None:
    """Rule: CLI-12"""
    quote, platform = PLATFORM.quote(bytes(64)), PLATFORM
    whole = json.loads(platform.collateral(NOW))
    assert reason(quote, json.dumps(whole | {"more": 1})) == ""
    upper = {name: whole[name].upper() for name in ("pck_crl", "tcb_info_signature")}
    assert reason(quote, json.dumps(whole | upper)) == ""
    on_it = issue_list(platform.pck_list_form(NOW, [platform.pck_form.serial]), platform.key("ca"))
    cases = {
        "tdx: pck revoked": {"pck_crl": on_it.hex()},
        "collateral: not signed": {"tcb_info_signature": "11" * 64},
        "issuers: signature length": {"qe_identity_signature": "11"},
        "list: not the template": {"root_ca_crl": ""},
        "x509: not the template": {"pck_crl_issuer_chain": "nothing"},
        "issuers: unknown": {"tcb_info_issuer_chain": pem(platform.ca, platform.root).decode()},
    }
    for name in ("tcb_info", "qe_identity"):
        assert reason(quote, json.dumps(whole | {name: "x" * 900_000})) == TOO_LARGE
    for name in ("tcb_info_issuer_chain", "qe_identity_issuer_chain"):
        at = whole[name].rindex("-----BEGIN") + 40
        broken = whole[name][:at] + "!" + whole[name][at + 1 :]
        assert reason(quote, json.dumps(whole | {name: broken})) == "x509: not the template"
    for expected, changes in cases.items():
        assert reason(quote, json.dumps(whole | changes)) == expected


def test_two_signers_and_a_renewed_one_are_taken() -> None:
    """Rule: CLI-12"""
    quote, platform = PLATFORM.quote(bytes(64)), PLATFORM
    whole = json.loads(platform.collateral(NOW))
    older = issue(replace(platform.signer_form, not_before=1_500_000_000), platform.key("root"))
    chain = pem(older, platform.root).decode()
    for name in ("tcb_info_issuer_chain", "qe_identity_issuer_chain"):
        assert reason(quote, json.dumps(whole | {name: chain})) == ""


def test_altered_quotes_and_collateral_are_refused() -> None:
    """Rule: CLI-12"""
    drawn = random.Random(5)
    raw, text = tdx_samples.raw(TD10[0]), tdx_samples.collateral(TD10[1])
    now = tdx_samples.about(TD10[1])["suggested_now"]
    end = raw.index(b"-----BEGIN")
    for place in drawn.sample(range(end), 8):
        broken = bytearray(raw)
        broken[place] ^= 1 << drawn.randrange(8)
        assert not try_quote(bytes(broken), text, now).accepted, place
    whole = json.loads(text)
    for name in whole:
        size = len(whole[name])
        if name.endswith("chain"):
            size = whole[name].index("-----END")  # what follows is the root, the contract's own
        for place in drawn.sample(range(60, size), 1):
            old = whole[name][place]
            new = "1" if old in "0\n" else "0"
            if old.lower() == new:
                continue
            broken_text = whole[name][:place] + new + whole[name][place + 1 :]
            given = json.dumps(whole | {name: broken_text})
            assert not try_quote(raw, given, now).accepted, (name, place)


def test_what_is_no_quote_is_refused_and_what_is_no_question_is_told(tmp_path: Path) -> None:
    """Rule: CLI-12"""
    quote, collateral = paths(*TD10)
    now = tdx_samples.about(TD10[1])["suggested_now"]
    text = collateral.read_text()
    cut = quote.read_bytes()
    for raw, why in (
        (b"", "quote: ends too early"),
        (b"\4\0", "quote: ends too early"),
        (b"no quote at all", "quote: ends too early"),
        (b"\4\0" + bytes(5_000), "quote: key not of p256"),
        (cut[:1_000], "quote: ends too early"),
        (cut[:1_300], "x509: not the template"),
    ):
        verdict = try_quote(raw, text, now)
        assert (verdict.accepted, verdict.reason) == (False, why)
    bad = tmp_path / "bad"

    def error(*args: str | Path, code: int = 2) -> str:
        return str(ask(*args, code=code)["error"]["message"])

    for content, what in (
        ("[]", "no JSON object"),
        ("", "no JSON object"),
        ("[" * 10_000, "no JSON object"),
        ("{}", "no text pck_crl_issuer_chain"),
        (json.dumps(json.loads(text) | {"tcb_info": {}}), "no text tcb_info"),
        (json.dumps(json.loads(text) | {"pck_crl": "xyz"}), "pck_crl is no hex"),
        ('{"tcb_info": "",' + text.lstrip()[1:], "with each member once"),
        ('{"more": 1, "more": 1,' + text.lstrip()[1:], "with each member once"),
        *(
            (
                json.dumps(json.loads(text) | {"pck_certificate_chain": other}),
                "pck_certificate_chain is no text",
            )
            for other in (5, [], False)
        ),
        (json.dumps(json.loads(text) | {"root_ca_crl": "30 82"}), "root_ca_crl is no hex"),
        (json.dumps(json.loads(text) | {"pck_crl": "308"}), "pck_crl is no hex"),
    ):
        bad.write_text(content)
        assert what in error(quote, "--collateral", bad, "--at", str(now))
    bad.write_bytes(b"\xff")
    assert "no UTF-8" in error(quote, "--collateral", bad, "--at", str(now))
    bad.write_bytes(bytes(1_100_000))
    assert "more than 1048576 bytes" in error(bad, "--collateral", collateral, "--at", str(now))
    assert "cannot read" in error(tmp_path / "none", "--collateral", collateral, "--at", str(now))
    assert "cannot read" in error(quote, "--collateral", tmp_path, "--at", str(now))
    for at in ("0", "-5", "946684799", "4294967296"):
        assert "is none from" in error(quote, "--collateral", collateral, "--at", at)
    assert "not a valid integer" in error(quote, "--collateral", collateral, "--at", "now")
    assert "--collateral" in error(quote, "--at", str(now))


def test_words_of_a_revert() -> None:
    """Rule: CLI-12"""
    word = bytes.fromhex("08c379a0") + (32).to_bytes(32) + (2).to_bytes(32) + b"no".ljust(32, b"\0")
    assert explain(word) == "no"
    for answer in (b"", word[:40], bytes(4) + word[4:], word[:36] + (99).to_bytes(32)):
        assert explain(answer).startswith("refused without words")
    form = PLATFORM.quote_form()
    assert reason(issue_quote(form)) == ""
