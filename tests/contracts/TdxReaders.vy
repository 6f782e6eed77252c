# pragma version 0.4.3
"""
@title The readers of certificates, lists, documents and times, each on its own
@notice For tests: what they read, of any bytes, with nothing signed.
"""
from contracts import constants as c
from contracts.modules import documents
from contracts.modules import quotes
from contracts.modules import revocations
from contracts.modules import times
from contracts.modules import x509


@external
@view
def certificate(raw: Bytes[c.MAX_CERTIFICATE_BYTES]) -> (x509.Certificate, uint256):
    """
    @notice A CA or signer: its parts and role.
    """
    padded: Bytes[x509.PADDED] = concat(raw, empty(bytes32))
    found: x509.Certificate = x509._open(padded)
    return found, x509._read_role(padded, found.at)


@external
@view
def pck(raw: Bytes[c.MAX_CERTIFICATE_BYTES]) -> (x509.Certificate, x509.Platform):
    """
    @notice A PCK: its parts and platform.
    """
    padded: Bytes[x509.PADDED] = concat(raw, empty(bytes32))
    found: x509.Certificate = x509._open(padded)
    return found, x509._read_platform(padded, found.at)


@external
@view
def revocation_list(raw: Bytes[c.MAX_LIST_BYTES]) -> revocations.RevocationList:
    """
    @notice A list's parts.
    """
    return revocations._read(concat(raw, empty(bytes32)))


@external
@view
def tcb_info(raw: Bytes[c.MAX_DOCUMENT_BYTES], behind: Bytes[64]) -> documents.TcbInfo:
    """
    @notice A TCB info's first levels; something follows it, as the signature does.
    """
    return documents._read_tcb_info()


@external
@view
def qe_identity(raw: Bytes[c.MAX_DOCUMENT_BYTES], behind: Bytes[64]) -> documents.QeIdentity:
    """
    @notice A QE identity's first level; something follows it, as the signature does.
    """
    return documents._read_qe_identity()


@external
@view
def utc(word: uint256) -> uint256:
    """
    @notice Seconds since 1970 of a UTCTime.
    """
    return times._read_utc(word)


@external
@view
def iso(word: uint256) -> uint256:
    """
    @notice Seconds since 1970 of a document's time.
    """
    return times._read_iso(word)


@external
@view
def is_reached(have: uint256, need: uint256) -> bool:
    """
    @notice Whether each of 16 bytes is at least the other's.
    """
    return quotes._is_reached(have, need)
