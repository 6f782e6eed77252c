# pragma version 0.4.3
"""
@title Keys that enclaves hold
@notice A key is registered by a quote whose report data names it, and is active until the first thing
        that vouches for it ends. Nobody owns a key; whoever finds that one no longer holds prunes it.
"""
from contracts import constants as c
from contracts.interfaces import ITdxCollateral
from contracts.interfaces import ITdxRegistry
from contracts.modules import p256
from contracts.modules import quotes
from contracts.modules import workloads
from contracts.modules import x509

uses: workloads

COLLATERAL: immutable(ITdxCollateral)
LIFETIME: immutable(uint256)
QE_DEBUG: constant(uint256) = 2 * 2**120

# signer => mark of the PCK 160 | expiry 40 | block of the quote 40; expiry 0 for a pruned one
words: HashMap[address, uint256]
# signer => what its quote said that later collateral may judge otherwise
evidence_hashes: HashMap[address, bytes32]
# signer => what its quote says that it runs
applications: HashMap[address, bytes32]


@deploy
def __init__(collateral: ITdxCollateral, lifetime: uint256):
    """
    @param collateral What judges quotes.
    @param lifetime The most seconds that a registration lasts.
    """
    p256._check_precompile()
    COLLATERAL = collateral
    LIFETIME = lifetime


# --- KEYS ---


@external
def register(
    quote: Bytes[c.MAX_QUOTE_HEAD_BYTES],
    certificate: Bytes[c.MAX_CERTIFICATE_BYTES],
    signature: Bytes[64],
    signer: address,
    ref_block: uint256,
    possession: Bytes[65],
):
    """
    @notice Register a key by a quote of the last 256 blocks.
    @custom:rule ATTEST-28
    @param quote Up to the PEM certificates.
    @param certificate The signed part of the PCK certificate, DER.
    @param signature Of that certificate, r and s.
    @param signer The key's address.
    @param ref_block The block whose hash is in the quote.
    @param possession Its signature over the quote's first 32 bytes of report data, r, s and v; empty where
           it sends this transaction itself.
    """
    evidence: ITdxRegistry.Evidence = empty(ITdxRegistry.Evidence)
    verdict: ITdxRegistry.Verdict = empty(ITdxRegistry.Verdict)
    evidence, verdict = self._verify(quote, certificate, signature)
    assert ref_block < block.number, "enclaves: block not mined yet"
    assert block.number - ref_block <= c.HASHED_BLOCKS, "enclaves: block too old"
    bound: bytes32 = keccak256(
        abi_encode(c.ENCLAVE, chain.id, self, signer, ref_block, blockhash(ref_block))
    )
    assert verdict.report_data[0] == bound, "enclaves: quote for another key"
    if msg.sender != signer:
        assert self._is_held(signer, bound, possession), "enclaves: no proof of possession"
    assert workloads._is_allowed(verdict.workload), "enclaves: workload not allowed"
    assert ref_block > self.words[signer] & c.M40, "enclaves: quote not newer"

    expiry: uint256 = min(verdict.until, block.timestamp + LIFETIME)
    self.words[signer] = (convert(evidence.mark, uint256) << 96) | (expiry << 40) | ref_block
    self.evidence_hashes[signer] = keccak256(abi_encode(evidence))
    self.applications[signer] = verdict.report_data[1]

    log ITdxRegistry.EnclaveRegistered(
        signer=signer,
        workload=verdict.workload,
        application=verdict.report_data[1],
        expiry=expiry,
        ref_block=ref_block,
        evidence=evidence,
    )


@external
def prune(signer: address, evidence: ITdxRegistry.Evidence):
    """
    @notice End a key whose certificate was revoked, whose platform is no longer UpToDate or whose workload
            was withdrawn. Only a quote of a later block registers it again.
    @custom:rule ATTEST-29
    @param signer The key's address.
    @param evidence As its registration logged it.
    """
    word: uint256 = self.words[signer]
    assert (word >> 40) & c.M40 != 0, "enclaves: no such key"
    assert keccak256(abi_encode(evidence)) == self.evidence_hashes[signer], "enclaves: other evidence"
    fault: uint256 = quotes._judge(evidence, self._standard(evidence))
    # also while collateral is late and nothing else can be judged
    if fault < c.FAULT_REVOKED and not workloads._is_allowed(evidence.workload):
        fault = c.FAULT_WORKLOAD
    assert fault >= c.FAULT_REVOKED, "enclaves: key still holds"

    self.words[signer] = block.number

    log ITdxRegistry.EnclavePruned(signer=signer, fault=fault)


# --- VIEWS ---


@view
@external
def verify(
    quote: Bytes[c.MAX_QUOTE_HEAD_BYTES],
    certificate: Bytes[c.MAX_CERTIFICATE_BYTES],
    signature: Bytes[64],
) -> ITdxRegistry.Verdict:
    """
    @notice Verify a quote against the stored collateral; reverts with the first rule it breaks.
    @custom:rule ATTEST-16
    @param quote Up to the PEM certificates.
    @param certificate The signed part of the PCK certificate, DER.
    @param signature Of that certificate, r and s.
    @return The workload, the report data, and until when the collateral holds.
    """
    evidence: ITdxRegistry.Evidence = empty(ITdxRegistry.Evidence)
    verdict: ITdxRegistry.Verdict = empty(ITdxRegistry.Verdict)
    evidence, verdict = self._verify(quote, certificate, signature)
    return verdict


@view
@external
def is_active(signer: address) -> bool:
    """
    @notice Whether a key is registered, not expired, not pruned, and its PCK certificate not revoked.
    @custom:rule ATTEST-30
    @param signer The key's address.
    @return True while all of that holds.
    """
    return self._is_active(self.words[signer])


@view
@external
def application(signer: address) -> bytes32:
    """
    @notice What a key's quote says that it runs: H(APPLICATION, ...) of build, model and protocol.
    @param signer The key's address.
    @return The digest of the newest registration, active or not; zero where there is none.
    """
    return self.applications[signer]


@view
@external
def enclave(signer: address) -> ITdxRegistry.Enclave:
    """
    @notice All that is kept of a key.
    @param signer The key's address.
    @return The record; zeros for a key that was never registered.
    """
    word: uint256 = self.words[signer]
    return ITdxRegistry.Enclave(
        application=self.applications[signer],
        evidence_hash=self.evidence_hashes[signer],
        expiry=(word >> 40) & c.M40,
        ref_block=word & c.M40,
        mark=convert(convert(word >> 96, uint160), bytes20),
        is_active=self._is_active(word),
    )


@view
@external
def collateral() -> address:
    """
    @notice What judges quotes.
    @return The address.
    """
    return COLLATERAL.address


@view
@external
def lifetime() -> uint256:
    """
    @notice The most seconds that a registration lasts.
    @return The lifetime.
    """
    return LIFETIME


# --- INTERNAL ---


@internal
@view
def _is_active(word: uint256) -> bool:
    if block.timestamp > (word >> 40) & c.M40:
        return False
    mark: bytes20 = convert(convert(word >> 96, uint160), bytes20)
    return not staticcall COLLATERAL.is_revoked(mark)


@internal
@pure
def _is_held(signer: address, digest: bytes32, possession: Bytes[65]) -> bool:
    """
    @dev # rule: ATTEST-28
    """
    if len(possession) != 65 or signer == empty(address):
        return False
    v: uint256 = convert(slice(possession, 64, 1), uint256)
    return ecrecover(digest, v, extract32(possession, 0), extract32(possession, 32)) == signer


@internal
@view
def _standard(evidence: ITdxRegistry.Evidence) -> ITdxCollateral.Standard:
    return staticcall COLLATERAL.standard(
        evidence.issuer,
        evidence.mark,
        evidence.fmspc,
        quotes._version(evidence.svns),
        quotes._version(evidence.svns_2),
    )


@internal
@view
def _verify(
    quote: Bytes[c.MAX_QUOTE_HEAD_BYTES],
    certificate: Bytes[c.MAX_CERTIFICATE_BYTES],
    signature: Bytes[64],
) -> (ITdxRegistry.Evidence, ITdxRegistry.Verdict):
    """
    @dev Layout, the PCK and its issuer's signature, the quote's signatures, the collateral, the quoting
         enclave, the domain, the levels.
         # rule: ATTEST-16
    """
    end: uint256 = quotes._check_layout(quote)
    at: uint256 = quotes.HEADER
    is_td15: bool = end == quotes.HEADER + 6 + quotes.TD15
    if end != quotes.HEADER + quotes.TD10:
        at += 6
    padded: Bytes[x509.PADDED] = concat(certificate, empty(bytes32))
    pck: x509.Certificate = x509._open(padded)
    platform: x509.Platform = x509._read_platform(padded, pck.at)
    assert block.timestamp >= pck.not_before, "tdx: pck not valid yet"
    assert block.timestamp <= pck.not_after, "tdx: pck expired"

    evidence: ITdxRegistry.Evidence = quotes._read_evidence(quote, at, end, pck, platform)
    standard: ITdxCollateral.Standard = self._standard(evidence)
    fault: uint256 = quotes._judge(evidence, standard)
    assert fault != c.FAULT_UNKNOWN_ISSUER, "tdx: unknown issuer"
    assert fault != c.FAULT_ISSUER_EXPIRED, "tdx: issuer expired"
    assert fault != c.FAULT_LIST_EXPIRED, "tdx: revocation list expired"
    assert fault != c.FAULT_NO_TCB_INFO, "tdx: no tcb info"
    assert fault != c.FAULT_TCB_EXPIRED, "tdx: tcb info expired"
    assert fault != c.FAULT_NO_QE_IDENTITY, "tdx: no qe identity"
    assert fault != c.FAULT_QE_EXPIRED, "tdx: qe identity expired"
    assert fault != c.FAULT_SIGNER_REVOKED, "tdx: signer revoked"
    assert fault != c.FAULT_REVOKED, "tdx: pck revoked"
    assert fault != c.FAULT_ISSUER_REVOKED, "tdx: issuer revoked"
    assert fault != c.FAULT_TCB_WITHDRAWN, "tdx: no platform up to date"
    assert fault != c.FAULT_QE_WITHDRAWN, "tdx: no enclave up to date"

    assert len(signature) == 64, "tdx: signature length"
    assert p256._is_signed(
        sha256(certificate), extract32(signature, 0), extract32(signature, 32), standard.x, standard.y
    ), "tdx: pck not signed"
    quotes._check_signatures(quote, end, pck.x, pck.y)
    assert evidence.qe_attributes & QE_DEBUG == 0, "tdx: enclave in debug mode"
    assert fault != c.FAULT_ENCLAVE, "tdx: another enclave"
    quotes._check_domain(quote, at, is_td15)
    assert fault != c.FAULT_NO_MODULE, "tdx: unknown module"
    assert fault != c.FAULT_PLATFORM_BEHIND, "tdx: platform not up to date"
    assert fault != c.FAULT_MODULE_BEHIND, "tdx: module not up to date"
    # the last fault there is; whatever has no name above is refused here too
    assert fault == c.FAULT_NONE, "tdx: enclave not up to date"

    return evidence, ITdxRegistry.Verdict(
        workload=evidence.workload,
        report_data=[extract32(quote, at + 520), extract32(quote, at + 552)],
        until=min(standard.until, pck.not_after),
    )
