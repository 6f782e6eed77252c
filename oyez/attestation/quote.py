"""A TDX quote's bytes: header, TD report, signatures, the quoting enclave's report, the chain.

Integers are little-endian. The layouts are fixed; the chain's length alone varies.
"""

from __future__ import annotations

from dataclasses import dataclass

from oyez.protocol.errors import Invalid

MAX_QUOTE = 16_384
HEADER = 48
DESCRIPTOR = 6
TD10, TD15 = 584, 648
QE_REPORT = 384
KEY = SIGNATURE = 64
QE_AUTH = 32
#: Bytes of the signature block before the quoting enclave's report: signature, key, type, length.
OUTER = SIGNATURE + KEY + 6
ECDSA_P256 = 2
TEE_TDX = 0x81
QE_VENDOR = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")
CERTIFIED_REPORT, PEM_CHAIN = 6, 5
#: body_type of a version 5 quote -> body_size.
BODIES = {2: TD10, 3: TD15}


@dataclass(frozen=True, slots=True)
class TdReport:
    """What the TDX module measured of a trust domain; raw bytes of the sizes given.

    `tee_tcb_svn_2` (16) and `mr_service_td` (48) are those of TD 1.5, None in TD 1.0.
    """

    tee_tcb_svn: bytes  # 16: [0] the module's ISVSVN, [1] its version, [2] microcode
    mr_seam: bytes  # 48
    mr_signer_seam: bytes  # 48
    seam_attributes: bytes  # 8
    td_attributes: bytes  # 8
    xfam: bytes  # 8
    mr_td: bytes  # 48
    mr_config_id: bytes  # 48
    mr_owner: bytes  # 48
    mr_owner_config: bytes  # 48
    rt_mr: tuple[bytes, bytes, bytes, bytes]  # 48 each
    report_data: bytes  # 64
    tee_tcb_svn_2: bytes | None
    mr_service_td: bytes | None


@dataclass(frozen=True, slots=True)
class QeReport:
    """The quoting enclave's SGX report; raw bytes of the sizes given."""

    misc_select: bytes  # 4
    attributes: bytes  # 16
    mr_enclave: bytes  # 32
    mr_signer: bytes  # 32
    isv_prod_id: int  # 0..65535
    isv_svn: int  # 0..65535
    report_data: bytes  # 64


@dataclass(frozen=True, slots=True)
class Quote:
    """A quote in its parts, and the exact bytes that each signature covers."""

    version: int  # 4 or 5
    signed: bytes  # header, descriptor and TD report: 632, 638 or 702 bytes
    report: TdReport
    signature: bytes  # 64: r, s by the attestation key over `signed`
    attestation_key: bytes  # 64: x, y
    qe_signed: bytes  # 384: the quoting enclave's report
    qe_report: QeReport
    qe_signature: bytes  # 64: r, s by the PCK over `qe_signed`
    qe_auth: bytes  # 32: hashed with the attestation key into the report
    chain: bytes  # PEM: leaf, intermediate, root


def _must(condition: bool, what: str) -> None:
    """Refuse the quote unless the condition holds."""
    if not condition:
        raise Invalid("ATTEST-1", f"quote: {what}")


def _number(data: bytes, at: int, size: int) -> int:
    """Return the little-endian integer of `size` bytes at an offset; short data is refused."""
    _must(at + size <= len(data), "ends too early")
    return int.from_bytes(data[at : at + size], "little")


def parse_td_report(body: bytes) -> TdReport:
    """Return the TD report of 584 (TD 1.0) or 648 bytes (TD 1.5).

    Raises:
        Invalid: ATTEST-2, another length.

    Rule: ATTEST-2
    """
    if len(body) not in (TD10, TD15):
        raise Invalid("ATTEST-2", f"quote: a TD report of {len(body)} bytes, not 584 or 648")
    later = len(body) == TD15
    return TdReport(
        tee_tcb_svn=body[0:16],
        mr_seam=body[16:64],
        mr_signer_seam=body[64:112],
        seam_attributes=body[112:120],
        td_attributes=body[120:128],
        xfam=body[128:136],
        mr_td=body[136:184],
        mr_config_id=body[184:232],
        mr_owner=body[232:280],
        mr_owner_config=body[280:328],
        rt_mr=(body[328:376], body[376:424], body[424:472], body[472:520]),
        report_data=body[520:584],
        tee_tcb_svn_2=body[584:600] if later else None,
        mr_service_td=body[600:648] if later else None,
    )


def parse_qe_report(report: bytes) -> QeReport:
    """Return the quoting enclave's report of 384 bytes.

    Raises:
        Invalid: ATTEST-2, another length.

    Rule: ATTEST-2
    """
    if len(report) != QE_REPORT:
        raise Invalid("ATTEST-2", f"quote: an enclave report of {len(report)} bytes, not 384")
    return QeReport(
        misc_select=report[16:20],
        attributes=report[48:64],
        mr_enclave=report[64:96],
        mr_signer=report[128:160],
        isv_prod_id=int.from_bytes(report[256:258], "little"),
        isv_svn=int.from_bytes(report[258:260], "little"),
        report_data=report[320:384],
    )


def _signed_length(raw: bytes) -> int:
    """Return how many bytes the attestation key signs, having read header and descriptor."""
    version = _number(raw, 0, 2)
    _must(version in (4, 5), f"version {version}, not 4 or 5")
    _must(_number(raw, 2, 2) == ECDSA_P256, "attestation key not ECDSA over P-256")
    _must(_number(raw, 4, 4) == TEE_TDX, "not of TDX")
    _must(raw[12:28] == QE_VENDOR, "quoting enclave not Intel's")
    if version == 4:
        return HEADER + TD10
    body_type, body_size = _number(raw, HEADER, 2), _number(raw, HEADER + 2, 4)
    _must(BODIES.get(body_type) == body_size, f"body {body_type} of {body_size} bytes")
    return HEADER + DESCRIPTOR + body_size


def parse_quote(raw: bytes) -> Quote:
    """Return the parts of a version 4 or 5 TDX quote; any bytes end in a Quote or in Invalid.

    Args:
        raw: the quote, with the zero bytes that a host's buffer adds.

    Raises:
        Invalid: ATTEST-1, with the first field that is wrong.

    Rule: ATTEST-1
    """
    _must(len(raw) <= MAX_QUOTE, f"longer than {MAX_QUOTE} bytes")
    signed = _signed_length(raw)
    size = _number(raw, signed, 4)
    block = raw[signed + 4 : signed + 4 + size]
    _must(len(block) == size, "ends too early")
    _must(not any(raw[signed + 4 + size :]), "bytes other than zero after its end")
    _must(_number(block, OUTER - 6, 2) == CERTIFIED_REPORT, "certification data not of type 6")
    _must(_number(block, OUTER - 4, 4) == size - OUTER, "certification data of a wrong length")
    auth = OUTER + QE_REPORT + SIGNATURE
    _must(_number(block, auth, 2) == QE_AUTH, f"authentication data not of {QE_AUTH} bytes")
    inner = auth + 2 + QE_AUTH
    _must(_number(block, inner, 2) == PEM_CHAIN, "certificates not of type 5")
    _must(_number(block, inner + 2, 4) == size - inner - 6, "certificates of a wrong length")
    chain = block[inner + 6 :]
    start = HEADER if raw[0] == 4 else HEADER + DESCRIPTOR
    return Quote(
        version=raw[0],
        signed=raw[:signed],
        report=parse_td_report(raw[start:signed]),
        signature=block[:SIGNATURE],
        attestation_key=block[SIGNATURE : SIGNATURE + KEY],
        qe_signed=block[OUTER : OUTER + QE_REPORT],
        qe_report=parse_qe_report(block[OUTER : OUTER + QE_REPORT]),
        qe_signature=block[OUTER + QE_REPORT : auth],
        qe_auth=block[auth + 2 : inner],
        chain=chain[:-1] if chain.endswith(b"\0") else chain,
    )
