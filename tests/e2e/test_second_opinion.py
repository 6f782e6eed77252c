"""What dcap-qvl says beside `oyez attest check` changes nothing, and is the same of a PCK."""

from __future__ import annotations

import importlib
import json
import sys
import types
from dataclasses import replace
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from typing import Any

import pytest

from oyez.attestation.appraisal import appraise
from oyez.attestation.collateral import parse_collateral
from oyez.attestation.second_opinion import ask_dcap_qvl
from oyez.attestation.simulated import SimulatedPlatform
from oyez.attestation.simulated_certificates import issue, pem
from oyez.attestation.slices import join_quote
from oyez.attestation.submissions import split_quote
from oyez.protocol.errors import Invalid
from tests import tdx_samples
from tests.attest_checks import NOW, PLATFORM, check, paths, reason
from tests.tdx_judging import TD10, TD15


@pytest.mark.parametrize(
    "case", tdx_samples.cases(), ids=lambda case: f"{case.quote}-{case.collateral}"
)
def test_answers_are_the_same_without_dcap_qvl(
    case: tdx_samples.Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule: CLI-12"""
    files, code = paths(case.quote, case.collateral), int(case.answer != "UpToDate")
    found = check(*files, case.now, code=code)
    assert found["dcap_qvl"] == case.answer
    monkeypatch.setitem(sys.modules, "dcap_qvl", None)
    with pytest.raises(ImportError):
        importlib.import_module("dcap_qvl")
    assert check(*files, case.now, code=code) == found | {"dcap_qvl": None}


class Panic(BaseException):
    """How native code fails: no Exception."""


class Broken(Loader):
    """A loader of a package whose code fails, and a judge that fails when it is asked."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.QuoteCollateralV3 = types.SimpleNamespace(from_json=lambda _: None)

    def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
        return ModuleSpec(name, self) if name == "dcap_qvl" else None

    def create_module(self, _: object) -> None:
        return None

    def exec_module(self, _: object) -> None:
        raise self.error

    def verify(self, *_: object) -> None:
        raise self.error


FAILURES = [
    RuntimeError("no such\nprocessor"),
    ImportError("libc.so: cannot open", name="dcap_qvl.dcap_qvl"),
    ModuleNotFoundError("No module named 'x'", name="x"),
    Panic("called unwrap()"),
    SystemExit(0),
    OSError(),
]


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("case", [TD10, ("tdx_v4_phala_b0c06f_uptodate", TD15[1])])
def test_whatever_dcap_qvl_does_is_its_own_answer_alone(
    case: tuple[str, str], error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule: CLI-12"""
    now = tdx_samples.about(case[1])["suggested_now"]
    code = 0 if case == TD10 else 1
    usual = check(*paths(*case), now, code=code)
    words = " ".join(str(error).split()) or type(error).__name__
    monkeypatch.setitem(sys.modules, "dcap_qvl", Broken(error))
    asked = check(*paths(*case), now, code=code)
    assert asked == usual | {"dcap_qvl": f"error: {words}"}
    monkeypatch.delitem(sys.modules, "dcap_qvl")
    monkeypatch.setattr(sys, "meta_path", [Broken(error), *sys.meta_path])
    imported = check(*paths(*case), now, code=code)
    # not importable, whyever: there is no second opinion
    told = None if isinstance(error, ImportError) else f"error: cannot be imported: {words}"
    assert imported == usual | {"dcap_qvl": told}


def test_a_dcap_qvl_without_anything_in_it_is_no_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule: CLI-12"""
    now = tdx_samples.about(TD10[1])["suggested_now"]
    usual = check(*paths(*TD10), now, code=0)
    monkeypatch.setitem(sys.modules, "dcap_qvl", types.ModuleType("dcap_qvl"))
    found = check(*paths(*TD10), now, code=0)
    answer = "error: module 'dcap_qvl' has no attribute 'QuoteCollateralV3'"
    assert found == usual | {"dcap_qvl": answer}


def test_a_user_who_stops_it_while_dcap_qvl_works_stops_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule: CLI-12"""
    stopped = Broken(KeyboardInterrupt())
    monkeypatch.setitem(sys.modules, "dcap_qvl", stopped)
    with pytest.raises(KeyboardInterrupt):
        ask_dcap_qvl(b"", "{}", NOW)
    monkeypatch.delitem(sys.modules, "dcap_qvl")
    monkeypatch.setattr(sys, "meta_path", [stopped, *sys.meta_path])
    with pytest.raises(KeyboardInterrupt):
        ask_dcap_qvl(b"", "{}", NOW)


def test_the_pcks_chain_of_the_collateral_counts_in_place_of_the_quotes() -> None:
    """As dcap-qvl has it, which writes it where it knows the platform.

    Rule: CLI-12, ATTEST-8
    """
    key, form, raw = PLATFORM.key("ca"), PLATFORM.pck_form, PLATFORM.quote(bytes(64))
    assert form.platform is not None
    head, at = split_quote(raw).quote, raw.rindex(b"-----BEGIN") + 40
    whole = json.loads(PLATFORM.collateral(NOW))

    def chain(**fields: Any) -> str:
        leaf = issue(replace(form, **fields), key)
        return pem(leaf, PLATFORM.ca, PLATFORM.root).decode()

    own, old = chain(), chain(platform=replace(form.platform, pcesvn=5))
    foreign = SimulatedPlatform(b"another seed")
    others = pem(foreign.pck, foreign.ca, PLATFORM.root).decode()
    behind, junk = join_quote(head, old.encode()), join_quote(head, b"junk")
    broken = raw[:at] + b"!" + raw[at + 1 :]
    for quote, given, expected in (
        (raw, None, ""),
        (raw, own, ""),
        (raw, "x", "x509: not the template"),
        (raw, "", "x509: not the template"),
        (raw, chain(not_after=NOW - 1), "tdx: pck expired"),
        (raw, old, "tdx: platform not up to date"),
        (raw, others, "issuers: not issued by the root"),
        (raw, pem(PLATFORM.pck).decode(), "issuers: unknown"),
        (behind, None, "tdx: platform not up to date"),
        (behind, own, ""),
        (junk, None, "x509: not the template"),
        (junk, own, ""),
        (broken, own, ""),
        (raw[:-40], own, "x509: not the template"),
        (head, own, "x509: not the template"),
    ):
        text = json.dumps(whole | {"pck_certificate_chain": given})
        assert reason(quote, text) == expected
        second = ask_dcap_qvl(quote, text, NOW, PLATFORM.root)
        assert (second == "UpToDate") == (expected == ""), second
        if quote in (raw, behind):  # the others have no quote's form
            try:
                appraise(quote, parse_collateral(text), NOW, PLATFORM.root_key)
            except Invalid:
                assert expected != ""
            else:
                assert expected == ""
