"""The contracts' readers of DER and JSON beside Python's, over damaged inputs.

What the contract reads of DER, Python reads too, and to the same values. Of a document it does not
read all: there it reads what Python does or, where Python refuses, what stood there before the
damage, or less of it.
"""

from __future__ import annotations

import functools
import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from oyez.attestation import der
from oyez.attestation.certificates import Certificate, parse_certificate, parse_pem
from oyez.attestation.collateral import parse_collateral
from oyez.attestation.der_writer import element, signature
from oyez.attestation.documents import Status, SvnLevel, parse_qe_identity, parse_tcb_info
from oyez.attestation.quote import parse_quote
from oyez.attestation.revocation import parse_revocations
from oyez.attestation.simulated import SimulatedPlatform
from oyez.attestation.submissions import compute_mark, compute_subject_id
from oyez.protocol.codec import keccak
from oyez.protocol.errors import Invalid
from tests import tdx_samples
from tests.contracts.harness import Contract, Reverted, World

SETS = ("tdx_b0c06f000000_2025-06", "tdx_90c06f000000_2026-02", "tdx_50806f000000_2023-06")
NOW = 1_760_000_000
Values = tuple[Any, ...]


def wrap(signed: bytes) -> bytes:
    """Return a structure around a signed part, with some signature."""
    return element(der.SEQUENCE, signed, der.ECDSA_SHA256, signature(b"\1" * 64))


def _shared(one: Certificate) -> Values:
    key = one.key[:32], one.key[32:]
    ids = keccak(one.issuer + one.authority), compute_subject_id(one)
    return (*ids, compute_mark(one), one.not_before, one.not_after, *key)


def read_certificate(raw: bytes) -> Values:
    one = parse_certificate(wrap(raw))
    if one.depth == 1 or one.platform is not None:
        raise Invalid("ATTEST-6", "no issuer below the root")
    return (*_shared(one), 2 if one.depth is None else 1)


def read_pck(raw: bytes) -> Values:
    one = parse_certificate(wrap(raw))
    if one.platform is None:
        raise Invalid("ATTEST-6", "no PCK")
    found = one.platform
    return (*_shared(one), int.from_bytes(found.components), found.pcesvn, found.fmspc)


def read_list(raw: bytes) -> Values:
    one = parse_revocations(wrap(raw))
    name = keccak(one.issuer)
    times = one.this_update, one.next_update
    return (keccak(one.issuer + one.authority), name, *times, one.serials)


def _is_current(levels: tuple[SvnLevel, ...]) -> bool:
    return levels[0].status is Status.UP_TO_DATE


def read_tcb_info(raw: bytes) -> Values:
    info = parse_tcb_info(raw.decode("latin-1"))
    whole = json.loads(raw)
    parts = [whole["tdxModule"], *whole.get("tdxModuleIdentities", [])]
    modules = []
    for one, part in zip(info.modules, parts, strict=True):
        written = (part["mrsigner"], part["attributes"], part["attributesMask"])
        is_usual = written == ("00" * 48, "00" * 8, "FF" * 8)  # in capitals
        least = one.levels[0].isv_svn if one.levels else 0
        is_current = is_usual and (not one.levels or _is_current(one.levels))
        modules.append((one.version, least, is_current))
    top = info.levels[0]
    svns = int.from_bytes(top.components + top.tdx)
    return (
        *(info.issued, info.until, info.fmspc, info.evaluation, tuple(modules)),
        *(svns, top.pcesvn, top.status is Status.UP_TO_DATE),
    )


def read_qe_identity(raw: bytes) -> Values:
    qe = parse_qe_identity(raw.decode("latin-1"))
    return (
        *(qe.issued, qe.until, qe.evaluation, qe.mr_signer),
        int.from_bytes(qe.attributes + qe.attributes_mask),
        int.from_bytes(qe.misc_select + qe.misc_mask),
        *(qe.isv_prod_id, qe.levels[0].isv_svn, _is_current(qe.levels)),
    )


@functools.cache
def deploy_readers() -> Contract:
    """Deploy the harness in process; nothing here needs the precompile."""
    return World().deploy("tests/contracts/TdxReaders.vy")


def flatten(name: str, read: Any) -> Values:
    """Return what the contract read in the order of Python's values."""
    if name == "revocation_list":
        *first, serials = read.values()
        return (*first, frozenset(serials))
    if name == "certificate":
        *shared, _ = read[0].values()
        return (*shared, read[1])
    if name == "pck":
        *shared, _ = read[0].values()
        return (*shared, *read[1].values())
    values = tuple(read.values())
    if name == "tcb_info":
        return (*values[:4], tuple(map(tuple, values[4])), *values[5:])
    return values


def ask(name: str, raw: bytes) -> Values | str:
    """Return what the contract reads, or its reason for refusing."""
    behind = (b"\x7d" * 64,) if name in ("tcb_info", "qe_identity") else ()
    try:
        return flatten(name, getattr(deploy_readers(), name)(raw, *behind))
    except Reverted as refusal:
        return refusal.reason


@dataclass(frozen=True)
class Reader:
    """A kind of input: Python's reader, and real and simulated ones to damage."""

    name: str
    python: Callable[[bytes], Values]
    seeds: tuple[bytes, ...]
    is_whole: bool  # the contract reads all of it


@functools.cache
def list_readers() -> tuple[Reader, ...]:
    given = [parse_collateral(tdx_samples.collateral(name)) for name in SETS]
    platform = SimulatedPlatform()
    given.append(parse_collateral(platform.collateral(NOW)))
    issuers = [one.issuers[0].signed for one in given]
    issuers += [one.tcb_signed.chain[0].signed for one in given]
    quotes = ("tdx_v4_phala_b0c06f_uptodate", "tdx_v5td15_outdated_90c06f")
    leaves = [parse_pem(parse_quote(tdx_samples.raw(name)).chain)[0].signed for name in quotes]
    leaves.append(parse_certificate(platform.pck).signed)
    lists = [one.root_revoked.signed for one in given[1:]]
    lists += [one.pck_revoked.signed for one in given[:1]]
    infos = [one.tcb_signed.text for one in given]
    identities = [one.qe_signed.text for one in given]
    return (
        Reader("certificate", read_certificate, tuple(dict.fromkeys(issuers)), True),
        Reader("pck", read_pck, tuple(leaves), True),
        Reader("revocation_list", read_list, tuple(dict.fromkeys(lists)), True),
        Reader("tcb_info", read_tcb_info, tuple(infos), False),
        Reader("qe_identity", read_qe_identity, tuple(identities), False),
    )


def damage(rng: random.Random, raw: bytes, is_whole: bool) -> tuple[str, bytes]:
    """Return a kind of damage and the input with it, at one place."""
    at = rng.randrange(len(raw))
    size = rng.randrange(1, 24)
    kinds = ("flip", "byte", "number", "cut", "insert", "drop", "repeat", "swap")
    # a part of a document that stands elsewhere too may pass for the other
    kind = rng.choice(kinds if is_whole else kinds[:6])
    if kind == "flip":
        return kind, raw[:at] + bytes((raw[at] ^ 1 << rng.randrange(8),)) + raw[at + 1 :]
    if kind == "byte":
        return kind, raw[:at] + bytes((rng.choice((0, 1, 0x30, 0x7F, 0x80, 0xFF)),)) + raw[at + 1 :]
    if kind == "number":
        return kind, raw[:at] + bytes(((raw[at] + rng.choice((-1, 1))) % 256,)) + raw[at + 1 :]
    if kind == "cut":
        return kind, raw[:at]
    if kind == "insert":
        return kind, raw[:at] + rng.randbytes(size) + raw[at:]
    if kind == "drop":
        return kind, raw[:at] + raw[at + size :]
    if kind == "repeat":
        return kind, raw[: at + size] + raw[at:]
    to = rng.randrange(len(raw))
    part = raw[at : at + size]
    return kind, raw[:to] + part + raw[to + len(part) :]


def lengthen(rng: random.Random, raw: bytes) -> tuple[str, bytes]:
    """Return an input with two bytes changed by opposite amounts, as lengths of neighbours are."""
    at, to = rng.randrange(len(raw)), rng.randrange(len(raw))
    by = rng.choice((1, 2, 127, 128))
    found = bytearray(raw)
    found[at] = (found[at] + by) % 256
    found[to] = (found[to] - by) % 256
    return "lengths", bytes(found)


def _place(seed: bytes, raw: bytes) -> tuple[int, bytes, bytes]:
    """Return where an input differs first, with what stood and stands there."""
    at = next((i for i, (a, b) in enumerate(zip(seed, raw, strict=False)) if a != b), len(raw))
    return at, seed[at : at + 24], raw[at : at + 24]


def is_at_most(answer: Any, kept: Any) -> bool:
    """Tell whether an answer is what it was, or calls current less than it did."""
    if isinstance(kept, bool):
        return isinstance(answer, bool) and answer <= kept
    if isinstance(kept, tuple):  # modules: version, ISVSVN, whether it is current
        return {one for one in answer if one[2]} <= set(kept)
    return bool(answer == kept)


def fuzz(rng: random.Random, reader: Reader, count: int) -> Counter[str]:
    """Compare so many damaged inputs; count kinds by whether the contract reads them.

    Raises:
        AssertionError: the contract read something else than Python does.
    """
    counts: Counter[str] = Counter()
    for _ in range(count):
        seed = rng.choice(reader.seeds)
        if reader.is_whole and rng.random() < 0.2:
            kind, raw = lengthen(rng, seed)
        else:
            kind, raw = damage(rng, seed, reader.is_whole)
        if raw == seed:
            counts["unchanged"] += 1
            continue
        answer = ask(reader.name, raw)
        if isinstance(answer, str):
            counts[f"{reader.name}: {kind} refused"] += 1
            continue
        counts[f"{reader.name}: {kind} read"] += 1
        where = (reader.name, kind, _place(seed, raw))
        try:
            expected = reader.python(raw)
        except Invalid:
            expected = ()
        if expected:
            assert answer == expected, where
        else:
            assert not reader.is_whole, where
            assert all(map(is_at_most, answer, reader.python(seed))), where
    return counts


def with_members(raw: bytes, **members: Any) -> bytes:
    """Return a document with other values of its members."""
    return json.dumps(json.loads(raw) | members, separators=(",", ":")).encode()
