"""Real documents of a platform, altered on demand and signed again under a root of the tests' own.

Names, layouts and numbers stay Intel's, so that a refusal is for the altered field alone.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from Crypto.Hash import SHA256
from Crypto.PublicKey import ECC
from Crypto.Signature import DSS

from oyez.attestation.certificates import (
    BEGIN,
    END,
    P256_KEY,
    VERSION_3,
    Certificate,
    parse_pem,
)
from oyez.attestation.der import ECDSA_SHA256
from oyez.attestation.quote import Quote, parse_quote
from oyez.attestation.revocation import AUTHORITY, LIST_NUMBER, REASON, VERSION_2
from tests import tdx_samples

Edits = Iterable[tuple[bytes, bytes]]
KEYS = {
    name: ECC.construct(
        curve="P-256", d=int.from_bytes(hashlib.sha256(b"tdx tests " + name.encode()).digest())
    )
    for name in ("root", "ca", "pck", "signer", "attestation", "foreign")
}


def public(name: str) -> bytes:
    point = KEYS[name].pointQ
    return int(point.x).to_bytes(32) + int(point.y).to_bytes(32)


ROOT = public("root")


def sign(name: str, message: bytes) -> bytes:
    signed: bytes = DSS.new(KEYS[name], "deterministic-rfc6979").sign(SHA256.new(message))
    return signed


def tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    long = size.to_bytes((size.bit_length() + 7) // 8)
    length = bytes((size,)) if size < 128 else bytes((0x80 + len(long),)) + long
    return bytes((tag,)) + length + content


def integer(value: int) -> bytes:
    return tlv(2, value.to_bytes(value.bit_length() // 8 + 1))


def utc(seconds: int) -> bytes:
    return tlv(0x17, datetime.fromtimestamp(seconds, UTC).strftime("%y%m%d%H%M%SZ").encode())


def wrap(signed: bytes, by: str) -> bytes:
    """Return a certificate or list: its signed part and a key's signature."""
    raw = sign(by, signed)
    pair = integer(int.from_bytes(raw[:32])) + integer(int.from_bytes(raw[32:]))
    return tlv(0x30, signed + ECDSA_SHA256 + tlv(3, b"\0" + tlv(0x30, pair)))


def edited(data: bytes, edits: Edits) -> bytes:
    """Return the data with each first text, which occurs once, replaced by the second."""
    for old, new in edits:
        assert data.count(old) == 1, (data.count(old), old)
        data = data.replace(old, new)
    return data


def certificate(one: Certificate, by: str, edits: Edits = ()) -> bytes:
    """Return a certificate's DER with this one's fields; edits are within its extensions."""
    extensions = one.signed[one.signed.index(P256_KEY) + len(P256_KEY) + 64 :]
    return wrap(
        tlv(
            0x30,
            VERSION_3
            + integer(one.serial)
            + ECDSA_SHA256
            + one.issuer
            + tlv(0x30, utc(one.not_before) + utc(one.not_after))
            + one.subject
            + P256_KEY
            + one.key
            + edited(extensions, edits),
        ),
        by,
    )


def revocations(
    issuer: Certificate, by: str, this: int, until: int, serials: Sequence[int] = ()
) -> bytes:
    """Return a revocation list's DER."""
    entries = b"".join(
        tlv(0x30, integer(serial) + utc(this) + REASON + b"\1") for serial in serials
    )
    numbered = tlv(0x30, LIST_NUMBER + tlv(4, integer(1)))
    extensions = numbered + AUTHORITY + issuer.identifier
    signed = VERSION_2 + ECDSA_SHA256 + issuer.subject + utc(this) + utc(until)
    signed += tlv(0x30, entries) if serials else b""
    return wrap(tlv(0x30, signed + tlv(0xA0, tlv(0x30, extensions))), by)


def pem(*certificates: bytes) -> bytes:
    text = b""
    for data in certificates:
        code = base64.b64encode(data)
        text += BEGIN + b"".join(code[i : i + 64] + b"\n" for i in range(0, len(code), 64)) + END
    return text


@dataclass(slots=True)
class World:
    """A quote and its collateral; every part is a field that a test may replace."""

    name: str = "tdx_v4_phala_b0c06f_uptodate"
    set_name: str = "tdx_b0c06f000000_2025-06"
    now: int = 0
    base: Quote = field(init=False)
    leaf: Certificate = field(init=False)
    ca: Certificate = field(init=False)
    root: Certificate = field(init=False)
    signer: Certificate = field(init=False)
    tcb_info: str = field(init=False)
    qe_identity: str = field(init=False)

    def __post_init__(self) -> None:
        self.base = parse_quote(tdx_samples.raw(self.name))
        real = json.loads(tdx_samples.collateral(self.set_name))
        leaf, ca, root = parse_pem(self.base.chain)
        signer = parse_pem(real["tcb_info_issuer_chain"].encode())[0]
        self.leaf, self.ca = replace(leaf, key=public("pck")), replace(ca, key=public("ca"))
        self.root = replace(root, key=public("root"))
        self.signer = replace(signer, key=public("signer"))
        self.tcb_info, self.qe_identity = real["tcb_info"], real["qe_identity"]
        self.now = self.now or tdx_samples.about(self.set_name)["suggested_now"]

    def chain(self) -> tuple[bytes, bytes, bytes]:
        return (
            certificate(self.leaf, "ca"),
            certificate(self.ca, "root"),
            certificate(self.root, "root"),
        )

    def quote(
        self,
        *,
        body: dict[int, bytes] | None = None,
        enclave: dict[int, bytes] | None = None,
        chain: Sequence[bytes] = (),
        signed_by: str = "attestation",
        certified_by: str = "pck",
        key: bytes = b"",
    ) -> bytes:
        """Return a quote; `body` and `enclave` put bytes into the TD's and the QE's report."""
        signed, report = bytearray(self.base.signed), bytearray(self.base.qe_signed)
        key = key or public("attestation")
        start = 48 if self.base.version == 4 else 54
        for at, value in (body or {}).items():
            signed[start + at : start + at + len(value)] = value
        report[320:352] = hashlib.sha256(key + self.base.qe_auth).digest()
        for at, value in (enclave or {}).items():
            report[at : at + len(value)] = value
        text = pem(*(chain or self.chain())) + b"\0"
        inner = bytes(report) + sign(certified_by, bytes(report)) + b"\x20\0" + self.base.qe_auth
        inner += b"\5\0" + len(text).to_bytes(4, "little") + text
        block = sign(signed_by, bytes(signed)) + key
        block += b"\6\0" + len(inner).to_bytes(4, "little") + inner
        return bytes(signed) + len(block).to_bytes(4, "little") + block

    def collateral(self, *, tcb_by: str = "signer", qe_by: str = "signer", **parts: str) -> str:
        """Return QuoteCollateralV3 JSON; parts replace whole members."""
        ca, root = certificate(self.ca, "root"), certificate(self.root, "root")
        signers = pem(certificate(self.signer, "root"), root).decode()
        day = 86_400
        members = {
            "pck_crl_issuer_chain": pem(ca, root).decode(),
            "root_ca_crl": revocations(
                self.root, "root", self.now - day, self.now + 90 * day
            ).hex(),
            "pck_crl": revocations(
                self.ca, "ca", self.now - day, self.now + 9 * day, [7, 1 << 159]
            ).hex(),
            "tcb_info_issuer_chain": signers,
            "tcb_info": self.tcb_info,
            "tcb_info_signature": sign(tcb_by, self.tcb_info.encode()).hex(),
            "qe_identity_issuer_chain": signers,
            "qe_identity": self.qe_identity,
            "qe_identity_signature": sign(qe_by, self.qe_identity.encode()).hex(),
        }
        assert set(parts) <= set(members)
        return json.dumps(members | parts)
