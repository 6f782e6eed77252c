"""Quotes judged on chain: real ones as their files say, altered ones by the name of their fault."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from oyez.attestation.appraisal import appraise
from oyez.attestation.certificates import parse_certificate
from oyez.attestation.collateral import parse_collateral
from oyez.attestation.simulated import SimulatedPlatform
from oyez.attestation.submissions import compute_workload
from oyez.protocol.errors import Invalid
from tests import tdx_samples
from tests.contracts import tdx_cases
from tests.contracts.tdx_cases import Case
from tests.devnet import Anvil
from tests.tdx_chain import TdxChain

NOW = 1_760_000_000
#: dcap-qvl's answer -> the contract's reason, and the rule by which Python refuses.
REASONS = {
    "OutOfDate": ("tdx: platform not up to date", "ATTEST-16"),
    "error: Verification failed: No matching TCB level found": (
        "tdx: platform not up to date",
        "ATTEST-16",
    ),
    "error: Verification failed: Debug mode is enabled": (
        "tdx: domain in debug mode",
        "ATTEST-14",
    ),
    "error: Verification failed: SEPT_VE_DISABLE is not enabled": (
        "tdx: sept_ve_disable not set",
        "ATTEST-14",
    ),
    "error: Verification failed: Invalid MR service TD": (
        "tdx: bound service domain",
        "ATTEST-14",
    ),
}
PLATFORM = SimulatedPlatform()


def rule_of(raw: bytes, collateral: str, now: int, root: bytes) -> str | None:
    """Return the rule by which Python refuses, None if it accepts."""
    try:
        appraise(raw, parse_collateral(collateral), now, root)
    except Invalid as refusal:
        return refusal.rule
    return None


@pytest.fixture(scope="module")
def simulated() -> Iterator[TdxChain]:
    with Anvil(timestamp=NOW) as node:
        chain = TdxChain(node, parse_certificate(PLATFORM.root))
        chain.submit_all(PLATFORM.collateral(chain.now))
        yield chain


@pytest.mark.parametrize(
    "name", sorted({case.collateral for case in tdx_samples.cases() if case.quote[0] == "t"})
)
def test_published_quotes_are_judged_on_chain_as_their_files_say(name: str) -> None:
    """Rule: ATTEST-16, ATTEST-24"""
    cases = [case for case in tdx_samples.cases() if case.collateral == name]
    start, until = tdx_samples.about(name)["window"]
    for now in sorted({case.now for case in cases}):
        with Anvil(timestamp=now - 30) as node:
            chain = TdxChain(node)
            chain.submit_all(tdx_samples.collateral(name))
            for case in (case for case in cases if case.now == now):
                raw = tdx_samples.raw(case.quote)
                if case.answer == "UpToDate":
                    workload, data, good_until = chain.verify(raw)
                    facts = tdx_samples.facts(case.quote)
                    assert b"".join(data).hex() == facts["td"]["report_data"]
                    assert workload == compute_workload(raw)
                    assert good_until == until - 1  # a list's nextUpdate is too late
                    assert start <= now <= until
                else:
                    reason, rule = REASONS[case.answer]
                    assert chain.why(chain.verify, raw) == reason
                    given = parse_collateral(tdx_samples.collateral(name))
                    with pytest.raises(Invalid) as caught:
                        appraise(raw, given, now)
                    assert caught.value.rule == rule
            for quote in tdx_samples.SGX_QUOTES:
                raw = tdx_samples.raw(quote)
                assert chain.why(chain.verify, raw) == "quote: version not 4 or 5"
            unchanged = PLATFORM.quote(bytes(64))
            assert chain.why(chain.verify, unchanged) == "tdx: unknown issuer"


def test_every_published_quote_is_judged_by_some_collateral() -> None:
    """Rule: ATTEST-16"""
    judged = {case.quote for case in tdx_samples.cases()}
    assert judged >= set(tdx_samples.TDX_QUOTES)
    assert {case.answer for case in tdx_samples.cases() if case.quote[0] == "t"} == {
        "UpToDate",
        *REASONS,
    }


@pytest.mark.parametrize("case", tdx_cases.list_cases(), ids=lambda case: case.name)
def test_an_altered_quote_is_refused_by_name(simulated: TdxChain, case: Case) -> None:
    """Rule: ATTEST-1, ATTEST-4, ATTEST-5, ATTEST-6, ATTEST-11, ATTEST-12, ATTEST-13, ATTEST-14,

    ATTEST-15, ATTEST-16
    """
    raw = case.build(PLATFORM)
    assert simulated.why(simulated.verify, raw) == case.reason
    collateral, now = PLATFORM.collateral(simulated.now), simulated.now
    assert rule_of(raw, collateral, now, PLATFORM.root_key) == case.rule


@pytest.mark.parametrize("name", tdx_cases.accepted())
def test_what_a_quote_may_be_is_accepted(simulated: TdxChain, name: str) -> None:
    """Rule: ATTEST-16, ATTEST-26"""
    raw = tdx_cases.accepted()[name](PLATFORM)
    workload, data, until = simulated.verify(raw)
    given = parse_collateral(PLATFORM.collateral(simulated.now))
    found = appraise(raw, given, simulated.now, PLATFORM.root_key)
    assert workload == compute_workload(raw)
    assert b"".join(data) == found.report.report_data
    assert abs(until - found.until) < 60
