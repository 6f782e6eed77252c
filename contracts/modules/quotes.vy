# pragma version 0.4.3
"""
@title A TDX quote up to its certificates: layout, signatures, the trust domain
@notice Versions 4 and 5, TD 1.0 and TD 1.5. Integers in a quote are little-endian; SVNs and attributes
        stay in the order of their bytes, the first highest.
"""
from contracts import constants as c
from contracts.interfaces import ITdxCollateral
from contracts.interfaces import ITdxRegistry
from contracts.modules import p256
from contracts.modules import x509

SIZE: constant(uint256) = c.MAX_QUOTE_HEAD_BYTES
# header, key type and TEE; the vendor of the quoting enclave; bodies of version 5
VERSION_4: constant(bytes2) = 0x0400
VERSION_5: constant(bytes2) = 0x0500
ECDSA_P256: constant(bytes2) = 0x0200
TDX: constant(bytes4) = 0x81000000
VENDOR: constant(bytes16) = 0x939a7233f79c4ca9940a0db3957f0607
BODY_TD10: constant(bytes6) = 0x020048020000
BODY_TD15: constant(bytes6) = 0x030088020000
HEADER: constant(uint256) = 48
TD10: constant(uint256) = 584
TD15: constant(uint256) = 648
# what stands behind the TD report: length, two keys' worth of signature block, up to the certificates
BLOCK: constant(uint256) = 626
REPORT: constant(uint256) = 384
# in the block
SIGNATURE_AT: constant(uint256) = 4
KEY_AT: constant(uint256) = 68
OUTER_AT: constant(uint256) = 132
REPORT_AT: constant(uint256) = 138
REPORT_SIGNATURE_AT: constant(uint256) = 522
AUTH_AT: constant(uint256) = 586
INNER_AT: constant(uint256) = 620
# TDATTRIBUTES: byte 0 untrusted, with DEBUG its lowest bit; SEPT_VE_DISABLE, MIGRATABLE; PKS, KL, PERFMON may be
DEBUG: constant(uint256) = 2**56
UNTRUSTED: constant(uint256) = 255 * 2**56
SEPT_VE_DISABLE: constant(uint256) = 16 * 2**32
MIGRATABLE: constant(uint256) = 32 * 2**32
FREE: constant(uint256) = (16 + 64 + 128) * 2**32 + 128
# of 16 bytes
TOPS: constant(uint256) = 128 * ((2**128 - 1) // 255)
FIRST_TWO: constant(uint256) = c.M16 << 112


@internal
@pure
def _little(raw: uint256) -> uint256:
    """
    @dev The little-endian number of the lowest four bytes.
    """
    return (
        ((raw & 255) << 24) | ((raw & 65_280) << 8) | ((raw >> 8) & 65_280) | ((raw >> 24) & 255)
    )


@internal
@pure
def _check_layout(quote: Bytes[SIZE]) -> uint256:
    """
    @dev Where the block after the TD report begins; header, body and every length are as they must be.
         # rule: ATTEST-1
    """
    size: uint256 = len(quote)
    assert size >= HEADER + TD10 + BLOCK, "quote: ends too early"
    w: uint256 = convert(extract32(quote, 0), uint256)
    end: uint256 = HEADER + TD10
    if w >> 240 == convert(VERSION_5, uint256):
        body: uint256 = convert(extract32(quote, HEADER), uint256) >> 208
        end += 6
        if body == convert(BODY_TD15, uint256):
            end += TD15 - TD10
        else:
            assert body == convert(BODY_TD10, uint256), "quote: body of another type"
    else:
        assert w >> 240 == convert(VERSION_4, uint256), "quote: version not 4 or 5"
    assert size == end + BLOCK, "quote: of another length"
    assert (w >> 224) & c.M16 == convert(ECDSA_P256, uint256), "quote: key not of p256"
    assert (w >> 192) & c.M32 == convert(TDX, uint256), "quote: not of tdx"
    w = convert(extract32(quote, 12), uint256) >> 128
    assert w == convert(VENDOR, uint256), "quote: enclave not of intel"

    outer: uint256 = convert(extract32(quote, end + OUTER_AT), uint256)
    assert outer >> 240 == 1_536, "quote: certification type"  # 6
    assert convert(extract32(quote, end + AUTH_AT), uint256) >> 240 == 8_192, "quote: auth data"  # 32
    inner: uint256 = convert(extract32(quote, size - 32), uint256)
    assert (inner >> 32) & c.M16 == 1_280, "quote: certificates type"  # 5
    length: uint256 = self._little(outer >> 208)
    whole: uint256 = self._little(convert(extract32(quote, end), uint256) >> 224)
    assert whole == length + 134, "quote: block length"
    assert length == self._little(inner) + 488, "quote: certification length"
    return end


@internal
@view
def _check_signatures(quote: Bytes[SIZE], end: uint256, x: bytes32, y: bytes32):
    """
    @dev The PCK, whose key is (x, y), signs the enclave's report, which names the attestation key, which
         signs header, body and TD report.
         # rule: ATTEST-12
    """
    at: uint256 = end + REPORT_SIGNATURE_AT
    assert p256._is_signed(
        sha256(slice(quote, end + REPORT_AT, REPORT)),
        extract32(quote, at),
        extract32(quote, at + 32),
        x,
        y,
    ), "quote: report not by the pck"
    key: Bytes[64] = slice(quote, end + KEY_AT, 64)
    named: bytes32 = extract32(quote, end + REPORT_AT + 320)
    assert named == sha256(
        concat(key, slice(quote, end + AUTH_AT + 2, 32))
    ), "quote: another attestation key"
    tail: bytes32 = extract32(quote, end + REPORT_AT + 352)
    assert tail == empty(bytes32), "quote: report data has a tail"
    at = end + SIGNATURE_AT
    assert p256._is_signed(
        sha256(slice(quote, 0, end)),
        extract32(quote, at),
        extract32(quote, at + 32),
        extract32(key, 0),
        extract32(key, 32),
    ), "quote: not by its key"


@internal
@pure
def _check_domain(quote: Bytes[SIZE], at: uint256, is_td15: bool):
    """
    @dev The TD report begins at `at`: nobody looks into the domain, or moves it, and the module is Intel's.
         # rule: ATTEST-14, ATTEST-15
    """
    w: uint256 = convert(extract32(quote, at + 112), uint256)
    seam: uint256 = w >> 192
    attributes: uint256 = (w >> 128) & c.M64
    assert attributes & DEBUG == 0, "tdx: domain in debug mode"
    assert attributes & UNTRUSTED == 0, "tdx: untrusted attribute"
    assert attributes & SEPT_VE_DISABLE != 0, "tdx: sept_ve_disable not set"
    assert attributes & MIGRATABLE == 0, "tdx: migratable domain"
    assert attributes & ~FREE == 0, "tdx: reserved attribute"
    assert seam == 0, "tdx: seam attributes"
    if is_td15:
        service: bytes32 = extract32(quote, at + 600)
        rest: bytes32 = extract32(quote, at + 616)
        assert service == empty(bytes32) and rest == empty(bytes32), "tdx: bound service domain"
    signer: bytes32 = extract32(quote, at + 64)
    last: bytes32 = extract32(quote, at + 80)
    assert signer == empty(bytes32) and last == empty(bytes32), "tdx: module of another signer"


@internal
@pure
def _read_evidence(
    quote: Bytes[SIZE], at: uint256, end: uint256, pck: x509.Certificate, platform: x509.Platform
) -> ITdxRegistry.Evidence:
    """
    @dev The TD report begins at `at`, the block at `end`. The workload is all that was measured before the
         domain ran, and not RTMR3.
         # rule: ATTEST-26
    """
    sgx: uint256 = platform.svns << 128
    svns: uint256 = convert(extract32(quote, at), uint256) >> 128
    svns_2: uint256 = svns
    if end - at == TD15:
        svns_2 = convert(extract32(quote, at + TD10), uint256) >> 128
    report: uint256 = end + REPORT_AT
    # product and ISVSVN, two bytes each, as one number: the ISVSVN is its higher half
    versions: uint256 = self._little(convert(extract32(quote, report + 256), uint256) >> 224)
    product: uint256 = versions & c.M16
    return ITdxRegistry.Evidence(
        issuer=pck.issuer,
        mark=pck.mark,
        fmspc=platform.fmspc,
        svns=sgx | svns,
        svns_2=sgx | svns_2,
        pcesvn=platform.pcesvn,
        qe_signer=extract32(quote, report + 128),
        qe_attributes=convert(extract32(quote, report + 48), uint256) >> 128,
        qe_numbers=((convert(extract32(quote, report + 16), uint256) >> 224) << 32)
        | (product << 16)
        | (versions >> 16),
        workload=keccak256(slice(quote, at + 120, 352)),
    )


@internal
@pure
def _version(svns: uint256) -> uint256:
    """
    @dev The version of the TDX module, of a TEE_TCB_SVN in the lowest 128 bits.
    """
    return (svns >> 112) & 255


@internal
@pure
def _is_reached(have: uint256, need: uint256) -> bool:
    """
    @dev Whether each of 16 bytes is at least the other's. No byte of the difference borrows from the next.
         # rule: ATTEST-16
    """
    difference: uint256 = unsafe_sub(have | TOPS, need & ~TOPS)
    return ((have & ~need) | (~(have ^ need) & difference)) & TOPS == TOPS


@internal
@pure
def _judge(evidence: ITdxRegistry.Evidence, standard: ITdxCollateral.Standard) -> uint256:
    """
    @dev Why quoting enclave, platform and TDX module are not UpToDate; FAULT_NONE if they are.
         # rule: ATTEST-13, ATTEST-16
    """
    if standard.fault != c.FAULT_NONE:
        return standard.fault
    numbers: uint256 = evidence.qe_numbers
    wanted: uint256 = standard.qe_numbers
    mask: uint256 = standard.qe_attributes & c.M128
    if (
        evidence.qe_signer != standard.qe_signer
        or (numbers >> 16) & c.M16 != (wanted >> 16) & c.M16
        or (numbers >> 32) & (wanted >> 32) & c.M32 != wanted >> 64
        or evidence.qe_attributes & mask != standard.qe_attributes >> 128
    ):
        return c.FAULT_ENCLAVE
    if numbers & c.M16 < wanted & c.M16:
        return c.FAULT_ENCLAVE_BEHIND
    if evidence.pcesvn < standard.pcesvn:
        return c.FAULT_PLATFORM_BEHIND
    if not self._is_reached(evidence.svns >> 128, standard.svns >> 128):
        return c.FAULT_PLATFORM_BEHIND
    fault: uint256 = self._judge_module(evidence.svns & c.M128, standard.svns, standard.module)
    if fault == c.FAULT_NONE and evidence.svns_2 != evidence.svns:
        fault = self._judge_module(evidence.svns_2 & c.M128, standard.svns, standard.module_2)
    return fault


@internal
@pure
def _judge_module(svns: uint256, needed: uint256, least: uint256) -> uint256:
    """
    @dev Of a module's version above 0 the first two SVNs are its identity's matter, not the platform's.
         # rule: ATTEST-15, ATTEST-16
    """
    has_identity: bool = self._version(svns) > 0
    have: uint256 = svns | FIRST_TWO if has_identity else svns
    if least > c.M16:
        return c.FAULT_NO_MODULE
    if not self._is_reached(have, needed & c.M128):
        return c.FAULT_PLATFORM_BEHIND
    return c.FAULT_MODULE_BEHIND if has_identity and svns >> 120 < least else c.FAULT_NONE
