"""The parser against every published quote, and against bytes that are no quote."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable

import pytest

from oyez.attestation.quote import Quote, parse_qe_report, parse_quote, parse_td_report
from oyez.protocol.errors import Invalid
from tests import tdx_samples

FIELDS = (
    "tee_tcb_svn", "mr_seam", "mr_signer_seam", "seam_attributes", "td_attributes", "xfam",
    "mr_td", "mr_config_id", "report_data",
)  # fmt: skip
V4, V5 = (
    tdx_samples.raw("tdx_v4_phala_b0c06f_uptodate"),
    tdx_samples.raw("tdx_v5td15_google_90c06f"),
)
#: Where the fields of the version 4 quote lie.
BLOCK, OUTER, AUTH, INNER = 632, 636 + 128, 636 + 134 + 448, 636 + 134 + 448 + 34


def put(raw: bytes, at: int, value: bytes) -> bytes:
    return raw[:at] + value + raw[at + len(value) :]


@pytest.mark.parametrize("name", tdx_samples.TDX_QUOTES)
def test_every_tdx_quote_reads_as_its_file_says(name: str) -> None:
    """Rule: ATTEST-1, ATTEST-2"""
    facts, raw = tdx_samples.facts(name), tdx_samples.raw(name)
    assert hashlib.sha256(raw).hexdigest() == facts["sha256"]
    quote = parse_quote(raw)
    assert quote.version == facts["quote_version"]
    assert quote.signed == raw[: facts["signed_length"]]
    assert {field: getattr(quote.report, field).hex() for field in FIELDS} == {
        field: facts["td"][field] for field in FIELDS
    }
    assert [mr.hex() for mr in quote.report.rt_mr] == [facts["td"][f"rt_mr{i}"] for i in range(4)]
    later = quote.report.tee_tcb_svn_2, quote.report.mr_service_td
    assert tuple(value and value.hex() for value in later) == (
        facts["td"].get("tee_tcb_svn2"),
        facts["td"].get("mr_service_td"),
    )
    assert (quote.version == 5) == (later[0] is not None)
    assert quote.qe_report.isv_prod_id == 2
    assert quote.qe_report.isv_svn >= 4
    bound = hashlib.sha256(quote.attestation_key + quote.qe_auth).digest()
    assert quote.qe_report.report_data == bound + bytes(32)
    assert quote.chain.startswith(b"-----BEGIN CERTIFICATE-----\n")
    assert quote.chain.endswith(b"-----END CERTIFICATE-----\n")


@pytest.mark.parametrize("name", tdx_samples.SGX_QUOTES)
def test_sgx_quotes_are_refused(name: str) -> None:
    """Rule: ATTEST-1"""
    with pytest.raises(Invalid, match="version 3, not 4 or 5") as refused:
        parse_quote(tdx_samples.raw(name))
    assert refused.value.rule == "ATTEST-1"


def test_a_version_5_quote_may_hold_a_td_report_1_0() -> None:
    """Rule: ATTEST-1"""
    as_v5 = b"\5" + V4[1:48] + b"\2\0" + (584).to_bytes(4, "little") + V4[48:]
    quote, before = parse_quote(as_v5), parse_quote(V4)
    assert (quote.version, len(quote.signed)) == (5, 638)
    assert quote.report == before.report
    assert quote.qe_signed == before.qe_signed
    assert quote.chain == before.chain


BAD: list[tuple[str, Callable[[], bytes]]] = [
    ("version 3, not", lambda: put(V4, 0, b"\3\0")),
    ("version 6, not", lambda: put(V4, 0, b"\6\0")),
    ("version 260, not", lambda: put(V4, 0, b"\4\1")),
    ("attestation key", lambda: put(V4, 2, b"\3\0")),
    ("not of TDX", lambda: put(V4, 4, bytes(4))),
    ("not Intel's", lambda: put(V4, 12, bytes(16))),
    ("body 1 of 648", lambda: put(V5, 48, b"\1\0")),
    ("body 4 of 648", lambda: put(V5, 48, b"\4\0")),
    ("body 2 of 648", lambda: put(V5, 48, b"\2\0")),
    ("body 3 of 584", lambda: put(V5, 50, (584).to_bytes(4, "little"))),
    ("ends too early", lambda: V4[:BLOCK] + V4[BLOCK + 1 :]),
    ("other than zero", lambda: V4 + b"\1"),
    ("not of type 6", lambda: put(V4, OUTER, b"\5\0")),
    ("data of a wrong length", lambda: put(V4, OUTER + 2, b"\0\0\0\0")),
    ("not of 32 bytes", lambda: put(V4, AUTH, b"\x1f\0")),
    ("not of 32 bytes", lambda: put(V4, AUTH, b"\0\0")),
    ("not of type 5", lambda: put(V4, INNER, b"\3\0")),
    ("certificates of a wrong length", lambda: put(V4, INNER + 2, b"\0\0\0\0")),
    ("longer than", lambda: V4 + bytes(16_384)),
    ("ends too early", lambda: b""),
    ("ends too early", lambda: put(V4, BLOCK, b"\xff\xff\xff\xff")),
    ("ends too early", lambda: put(V4[: BLOCK + 4], BLOCK, bytes(4))),
]  # fmt: skip


@pytest.mark.parametrize(("what", "make"), BAD)
def test_each_wrong_field_is_named(what: str, make: Callable[[], bytes]) -> None:
    """Rule: ATTEST-1"""
    with pytest.raises(Invalid, match=what) as refused:
        parse_quote(make())
    assert refused.value.rule == "ATTEST-1"


def test_no_shorter_quote_is_one() -> None:
    """Rule: ATTEST-1"""
    facts = tdx_samples.facts("tdx_v4_phala_b0c06f_uptodate")
    whole = V4[: 636 + facts["sig_data_len"]]
    assert parse_quote(whole) == parse_quote(V4)
    for length in range(len(whole)):
        with pytest.raises(Invalid):
            parse_quote(whole[:length])


@pytest.mark.parametrize("length", [0, 583, 585, 600, 647, 649])
def test_a_td_report_has_one_of_two_lengths(length: int) -> None:
    """Rule: ATTEST-2"""
    with pytest.raises(Invalid, match="not 584 or 648") as refused:
        parse_td_report(bytes(length))
    assert refused.value.rule == "ATTEST-2"


@pytest.mark.parametrize("length", [0, 383, 385])
def test_an_enclave_report_has_one_length(length: int) -> None:
    """Rule: ATTEST-2"""
    with pytest.raises(Invalid, match="not 384") as refused:
        parse_qe_report(bytes(length))
    assert refused.value.rule == "ATTEST-2"


def test_any_bytes_end_in_a_quote_or_in_invalid() -> None:
    """Rule: ATTEST-1"""
    draw = random.Random(7)
    read = refused = 0
    for _ in range(2_000):
        data = bytearray(draw.choice((V4, V5)))
        for _ in range(draw.randrange(1, 4)):
            kind = draw.randrange(4)
            at = draw.choice(
                (draw.randrange(64), 632, 702, OUTER, AUTH, INNER, 4_000)
            ) + draw.randrange(8)
            if kind == 0:
                data[at : at + 1] = draw.randbytes(draw.randrange(4))
            elif kind == 1:
                data[at : at + 4] = draw.randrange(1 << 32).to_bytes(4, "little")
            elif kind == 2:
                data = data[: draw.randrange(len(data) + 1)]
            else:
                data = data[:at] + data[draw.randrange(len(data) + 1) :]
        try:
            assert isinstance(parse_quote(bytes(data)), Quote)
            read += 1
        except Invalid:
            refused += 1
    assert read > 50
    assert refused > 500
