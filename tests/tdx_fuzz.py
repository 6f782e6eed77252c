"""Damaged quotes before the contract: of real ones none is accepted, altered ones as in Python.

A real quote's damage is not signed again, so nothing but the quote itself may pass. The simulated
platform signs its altered quotes, and the contract accepts exactly those that Python does.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from oyez.attestation import p256
from oyez.attestation.appraisal import appraise
from oyez.attestation.certificates import parse_certificate
from oyez.attestation.collateral import Collateral, parse_collateral
from oyez.attestation.simulated import SimulatedPlatform
from oyez.attestation.simulated_certificates import issue, pem
from oyez.attestation.simulated_quote import QuoteForm, issue_quote
from oyez.attestation.submissions import BLOCK, QuoteParts, split_quote
from oyez.protocol.errors import Invalid
from tests import tdx_samples
from tests.devnet import Anvil
from tests.tdx_chain import TdxChain

#: Real quotes that are accepted, with the collateral that accepts them.
REAL = (
    ("tdx_v4_phala_b0c06f_uptodate", "tdx_b0c06f000000_2025-06"),
    ("tdx_v5td15_google_90c06f", "tdx_90c06f000000_2026-02"),
)
NOW = 1_760_000_000
#: Behind the TD report: offset and size of each part.
PARTS = {
    "block length": (0, 4), "signature": (4, 64), "key": (68, 64), "outer": (132, 6),
    "report": (138, 384), "report signature": (522, 64), "auth": (586, 34), "inner": (620, 6),
}  # fmt: skip
SCALARS = [number.to_bytes(32) for number in (0, 1, p256.ORDER - 1, p256.ORDER, p256.FIELD)]
SCALARS.append(b"\xff" * 32)


@contextmanager
def real_chain(name: str) -> Iterator[TdxChain]:
    """Yield Intel's build with one of the published sets, at a time inside its window."""
    with Anvil(timestamp=tdx_samples.about(name)["suggested_now"]) as node:
        chain = TdxChain(node)
        chain.submit_all(tdx_samples.collateral(name))
        yield chain


@contextmanager
def simulated_chain(platform: SimulatedPlatform) -> Iterator[TdxChain]:
    with Anvil(timestamp=NOW) as node:
        chain = TdxChain(node, parse_certificate(platform.root))
        chain.submit_all(platform.collateral(NOW))
        yield chain


def put(data: bytes, at: int, value: bytes) -> bytes:
    return data[:at] + value + data[at + len(value) :]


def flip(rng: random.Random, parts: QuoteParts) -> QuoteParts:
    """Return the parts with one bit flipped."""
    name = rng.choice(("quote",) * 2 + ("certificate",) * 2 + ("signature",))
    data: bytes = getattr(parts, name)
    bit = rng.randrange(8 * len(data))
    return replace(parts, **{name: put(data, bit // 8, bytes((data[bit // 8] ^ 1 << bit % 8,)))})


def damage(rng: random.Random, parts: QuoteParts, other: QuoteParts) -> tuple[str, QuoteParts]:
    """Return a kind of damage, and the parts with it."""
    quote, end = parts.quote, len(parts.quote) - BLOCK
    kind = rng.choice(("splice", "field", "length", "scalar", "leaf", "bytes", "move"))
    if kind == "splice":
        name, (at, size) = rng.choice(list(PARTS.items()))
        start = len(other.quote) - BLOCK + at
        quote = put(quote, end + at, other.quote[start : start + size])
        if name == "key" and rng.random() < 0.5:
            start = len(other.quote) - BLOCK + 4
            quote = put(quote, end + 4, other.quote[start : start + 64])
    elif kind == "field":
        at = rng.choice((0, 2, 4, 12, 28, 48, 50, 52, 64, 168, 176, 184, 376, 520, 568, 584, 600))
        size = rng.choice((1, 2, 4, 8, 16, 48))
        value = rng.choice((bytes(size), b"\xff" * size, rng.randbytes(size)))
        quote = put(quote, min(at, end - size), value)
    elif kind == "length":
        by = rng.choice((1, 2, 31, 32, 64, 200))
        quote = rng.choice((quote[:-by], quote + bytes(by), quote[by:], bytes(by) + quote))[:1_328]
    elif kind == "scalar":
        at = end + rng.choice((4, 36, 68, 100, 522, 554))
        quote = put(quote, at, rng.choice([*SCALARS, rng.randbytes(32)]))
    elif kind == "leaf":
        mixed = replace(parts, certificate=other.certificate, signature=other.signature)
        cut = replace(parts, certificate=parts.certificate[: rng.randrange(1_178)])
        half = rng.choice((0, 32))
        scalar = put(parts.signature, half, rng.choice(SCALARS))
        return kind, rng.choice((mixed, cut, replace(parts, signature=scalar)))
    elif kind == "bytes":
        size = rng.randrange(1, 40)
        at = rng.randrange(len(quote) - size)
        quote = put(quote, at, rng.randbytes(size))
    else:
        size = rng.randrange(2, 64)
        at, to = (rng.randrange(len(quote) - size) for _ in range(2))
        quote = put(quote, to, quote[at : at + size])
    return kind, replace(parts, quote=quote)


def count_flips(rng: random.Random, chain: TdxChain, raw: bytes, count: int) -> Counter[str]:
    """Have so many single flipped bits refused.

    Raises:
        AssertionError: one was accepted.
    """
    parts = split_quote(raw)
    counts: Counter[str] = Counter()
    for _ in range(count):
        flipped = flip(rng, parts)
        reason = chain.why(chain.verify_parts, flipped)
        assert reason is not None, flipped
        counts[f"flipped bit refused by {reason.partition(':')[0]}"] += 1
    return counts


def count_damaged(
    rng: random.Random, chain: TdxChain, raw: bytes, others: list[bytes], count: int
) -> Counter[str]:
    """Have so many damaged quotes refused.

    Raises:
        AssertionError: one was accepted.
    """
    parts = split_quote(raw)
    counts: Counter[str] = Counter()
    while counts.total() < count:
        kind, damaged = damage(rng, parts, split_quote(rng.choice(others)))
        if damaged == parts:
            continue
        reason = chain.why(chain.verify_parts, damaged)
        assert reason is not None, (kind, damaged)
        counts[f"{kind} refused"] += 1
    return counts


def alter(rng: random.Random, platform: SimulatedPlatform) -> tuple[str, bytes]:
    """Return the part that is altered, and a quote with one or two other fields, signed again."""
    td15 = rng.random() < 0.3
    form = platform.quote_form(version=5 if td15 else 4, td15=td15)
    part = rng.choice(("report", "report", "enclave", "header", "leaf", "nothing"))
    for _ in range(rng.choice((1, 1, 2))):
        form = _altered(rng, platform, form, part)
    return part, issue_quote(form)


def _near(rng: random.Random, raw: bytes) -> bytes:
    """Return bytes of the same size, one of them a little more or less, or any."""
    at = rng.randrange(min(len(raw), rng.choice((3, len(raw)))))
    byte = rng.choice((raw[at] + 1, raw[at] - 1, rng.randrange(256), 0, 255)) % 256
    return put(raw, at, bytes((byte,)))


def _altered(
    rng: random.Random, platform: SimulatedPlatform, form: QuoteForm, part: str
) -> QuoteForm:
    changes: dict[str, Any] = {}
    if part == "report":
        names = [
            *("tee_tcb_svn", "tee_tcb_svn", "mr_signer_seam", "seam_attributes", "td_attributes"),
            *("xfam", "mr_td", "rt_mr3", "report_data", "tee_tcb_svn_2", "mr_service_td"),
        ]
        name = rng.choice([name for name in names if getattr(form.report, name) is not None])
        changes[name] = _near(rng, getattr(form.report, name))
        return replace(form, report=replace(form.report, **changes))
    if part == "enclave":
        name = rng.choice(("attributes", "misc_select", "mr_signer", "isv_svn", "isv_prod_id"))
        value = getattr(form.qe_report, name)
        changes[name] = value + rng.choice((1, -1)) if isinstance(value, int) else _near(rng, value)
        return replace(form, qe_report=replace(form.qe_report, **changes))
    if part == "header":
        name = rng.choice(("key_type", "tee_type", "qe_svn", "pce_svn", "vendor", "user_data"))
        value = getattr(form.header, name)
        number = rng.choice((0, 1, 3, 129))
        changes[name] = number if isinstance(value, int) else _near(rng, value)
        return replace(form, header=replace(form.header, **changes))
    if part == "leaf":
        own = platform.pck_form.platform
        assert own is not None
        svns = _near(rng, bytes(own.components))
        pcesvn = rng.choice((12, 13, 14, 0, 65_535))
        machine = replace(own, components=tuple(svns), cpu_svn=svns, pcesvn=pcesvn)
        leaf = replace(
            platform.pck_form,
            platform=machine,
            serial=rng.choice((1, 127, 128, 1 << 159, rng.getrandbits(160) | 1)),
        )
        chain = pem(issue(leaf, platform.key("ca")), platform.ca, platform.root)
        return replace(form, chain=chain)
    return form


def count_altered(
    rng: random.Random, chain: TdxChain, platform: SimulatedPlatform, count: int
) -> Counter[str]:
    """Have so many altered and signed quotes judged as Python does.

    Raises:
        AssertionError: the contract and Python differ.
    """
    given: Collateral = parse_collateral(platform.collateral(NOW))
    now = chain.now
    counts: Counter[str] = Counter()
    for _ in range(count):
        part, raw = alter(rng, platform)
        try:
            appraise(raw, given, now, platform.root_key)
            expected = True
        except Invalid:
            expected = False
        reason = chain.why(chain.verify, raw)
        assert (reason is None) == expected, (part, reason, raw.hex())
        counts[f"altered {part} {'accepted' if expected else 'refused'} by both"] += 1
    return counts


def count_all(rng: random.Random, flips: int, damaged: int, altered: int) -> Counter[str]:
    """Count flips and damage of real quotes, and altered ones of the simulated platform."""
    counts: Counter[str] = Counter()
    others = [tdx_samples.raw(name) for name in tdx_samples.TDX_QUOTES]
    for place, (name, collateral) in enumerate(REAL):
        with real_chain(collateral) as chain:
            raw = tdx_samples.raw(name)
            assert chain.why(chain.verify, raw) is None
            share = [(total + place) // len(REAL) for total in (flips, damaged)]
            counts += count_flips(rng, chain, raw, share[0])
            counts += count_damaged(rng, chain, raw, others, share[1])
    platform = SimulatedPlatform()
    with simulated_chain(platform) as chain:
        counts += count_altered(rng, chain, platform, altered)
    return counts
