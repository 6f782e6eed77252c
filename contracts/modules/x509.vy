# pragma version 0.4.3
"""
@title The signed part of Intel's certificates, by one strict template
@notice A reader moves front to back through a TBSCertificate; what differs from the template reverts.
        Names and identifiers become ids: keccak of a name's DER and a key's identifier. The outer
        certificate is never read, its r and s are given apart.
@dev `padded` is the certificate and a zero word, so that a word can be read anywhere in it.
"""
from contracts import constants as c
from contracts.modules import times

PADDED: constant(uint256) = c.MAX_CERTIFICATE_BYTES + 32
ROLE_CA: constant(uint256) = 1
ROLE_SIGNER: constant(uint256) = 2

# Tags with the form of the length that follows, alone and with two or one bytes of room for it.
LONG: constant(uint256) = 12_418  # 3082
VALIDITY: constant(uint256) = 12_318  # 301e
EXTENSIONS: constant(uint256) = 41_857  # a381
EXTENSIONS_LONG: constant(uint256) = 41_858  # a382
SEQUENCE_81: constant(uint256) = 3_178_752  # 308100
LONG_SEQUENCE: constant(uint256) = 813_826_048  # 30820000
LONG_OCTETS: constant(uint256) = 75_628_544  # 04820000

VERSION_3: constant(bytes6) = 0xa00302010202
ALGORITHM: constant(bytes12) = 0x300a06082a8648ce3d040302
P256_KEY: constant(bytes27) = 0x3059301306072a8648ce3d020106082a8648ce3d03010703420004
AUTHORITY: constant(bytes13) = 0x301f0603551d23041830168014
ADDRESS: constant(bytes5) = 0x0603551d1f
IDENTIFIER: constant(bytes11) = 0x301d0603551d0e04160414
CA_USAGE: constant(bytes16) = 0x300e0603551d0f0101ff040403020106
CA_DEPTH_0: constant(bytes20) = 0x30120603551d130101ff040830060101ff020100
LEAF: constant(bytes30) = 0x300e0603551d0f0101ff0404030206c0300c0603551d130101ff04023000
# Intel's extension of a PCK: ids of it, of its fields and of what stands in the second field.
SGX: constant(bytes11) = 0x06092a864886f84d010d01
SGX_FIELD: constant(bytes11) = 0x060a2a864886f84d010d01
SGX_SVN: constant(bytes12) = 0x060b2a864886f84d010d0102
# a component of one byte, number 0
SMALL_SVN: constant(bytes17) = 0x3010060b2a864886f84d010d0102000201
TOP_OF_SMALL: constant(uint256) = 2**119
PPID: constant(bytes16) = 0x301e060a2a864886f84d010d01010410
CPU_SVN: constant(bytes17) = 0x301f060b2a864886f84d010d0102120410
PCE_ID: constant(bytes18) = 0x3010060a2a864886f84d010d010304020000
FMSPC: constant(bytes16) = 0x3014060a2a864886f84d010d01040406


struct Certificate:
    issuer: bytes32  # id of who issued it
    subject: bytes32  # its own id
    mark: bytes20  # what revocation lists know it by
    not_before: uint256
    not_after: uint256
    x: bytes32
    y: bytes32
    at: uint256  # where its usage begins


struct Platform:
    svns: uint256  # 16 of a byte, the first highest
    pcesvn: uint256
    fmspc: bytes6


@internal
@pure
def _must(condition: bool):
    """
    @dev Refuse a certificate that is none of the template.
    """
    assert condition, "x509: not the template"


@internal
@pure
def _mark(issuer_name: bytes32, serial: uint256) -> bytes20:
    """
    @dev Names a certificate among all that any issuer of that name issues.
    """
    return convert(slice(keccak256(concat(issuer_name, convert(serial, bytes32))), 0, 20), bytes20)


@internal
@pure
def _read_serial(word: uint256, length: uint256) -> uint256:
    """
    @dev The serial number of so many bytes at the word's highest: 1 to 2**160 - 1, in shortest form.
         # rule: ATTEST-5
    """
    assert length >= 1 and length <= 21, "x509: serial of another length"
    first: uint256 = word >> 248
    serial: uint256 = word >> (256 - 8 * length)
    assert first < 128 and serial > 0 and serial >> 160 == 0, "x509: serial out of range"
    assert first > 0 or serial >> (8 * length - 9) == 1, "x509: serial not the shortest"
    return serial


@internal
@pure
def _open(padded: Bytes[PADDED]) -> Certificate:
    """
    @dev Everything up to the certificate's own identifier, which all templates share.
         # rule: ATTEST-5
    """
    found: Certificate = empty(Certificate)
    size: uint256 = len(padded) - 32
    w: uint256 = convert(extract32(padded, 0), uint256)
    length: uint256 = (w >> 224) & c.M16
    self._must(w >> 240 == LONG and length >= 256 and length + 4 == size)
    self._must((w >> 176) & (2**48 - 1) == convert(VERSION_3, uint256))
    length = (w >> 168) & 255
    serial: uint256 = self._read_serial(convert(extract32(padded, 11), uint256), length)
    at: uint256 = 11 + length
    self._must(convert(extract32(padded, at), uint256) >> 160 == convert(ALGORITHM, uint256))
    at += 12
    issuer: Bytes[PADDED] = self._name(padded, at)
    at += len(issuer)
    self._must(convert(extract32(padded, at), uint256) >> 240 == VALIDITY)
    found.not_before = times._read_utc(convert(extract32(padded, at + 2), uint256))
    found.not_after = times._read_utc(convert(extract32(padded, at + 17), uint256))
    at += 32
    subject: Bytes[PADDED] = self._name(padded, at)
    at += len(subject)
    self._must(convert(extract32(padded, at), uint256) >> 40 == convert(P256_KEY, uint256))
    found.x = extract32(padded, at + 27)
    found.y = extract32(padded, at + 59)
    at += 91

    # [3] and a sequence, which fill the rest
    w = convert(extract32(padded, at), uint256)
    if w >> 240 == EXTENSIONS_LONG:
        length = (w >> 224) & c.M16
        self._must(length + at + 4 == size and length >= 256)
        self._must((w >> 192) & c.M32 == LONG_SEQUENCE + length - 4 and length >= 260)
        at += 8
    else:
        length = (w >> 232) & 255
        self._must(w >> 240 == EXTENSIONS and length + at + 3 == size and length >= 131)
        self._must((w >> 208) & c.M24 == SEQUENCE_81 + length - 3)
        at += 6

    w = convert(extract32(padded, at), uint256)
    self._must(w >> 152 == convert(AUTHORITY, uint256))
    found.issuer = keccak256(concat(issuer, slice(padded, at + 13, 20)))
    at += 33
    # the list's address: an octet string that fills it and is not read
    w = convert(extract32(padded, at), uint256)
    length = (w >> 240) & 255
    self._must(w >> 248 == 48 and length < 128 and (w >> 200) & (2**40 - 1) == convert(ADDRESS, uint256))
    self._must((w >> 192) & 255 == 4 and ((w >> 184) & 255) + 7 == length)
    at += 2 + length
    w = convert(extract32(padded, at), uint256)
    self._must(w >> 168 == convert(IDENTIFIER, uint256))
    found.subject = keccak256(concat(subject, slice(padded, at + 11, 20)))
    found.at = at + 31
    found.mark = self._mark(keccak256(issuer), serial)
    return found


@internal
@pure
def _name(padded: Bytes[PADDED], at: uint256) -> Bytes[PADDED]:
    """
    @dev A name's DER, of 1 to 127 bytes of content.
         # rule: ATTEST-5
    """
    w: uint256 = convert(extract32(padded, at), uint256)
    length: uint256 = (w >> 240) & 255
    self._must(w >> 248 == 48 and length > 0 and length < 128)
    return slice(padded, at, length + 2)


@internal
@pure
def _read_role(padded: Bytes[PADDED], at: uint256) -> uint256:
    """
    @dev What a certificate that is no PCK may do: issue PCKs and lists as a CA of depth 0, or sign
         documents and issue nothing. Nothing follows.
         # rule: ATTEST-6
    """
    w: uint256 = convert(extract32(padded, at), uint256)
    if w >> 128 == convert(CA_USAGE, uint256):
        self._must(at + 36 + 32 == len(padded))
        self._must(convert(extract32(padded, at + 16), uint256) >> 96 == convert(CA_DEPTH_0, uint256))
        return ROLE_CA
    self._must(w >> 16 == convert(LEAF, uint256) and at + 30 + 32 == len(padded))
    return ROLE_SIGNER


@internal
@pure
def _read_platform(padded: Bytes[PADDED], start: uint256) -> Platform:
    """
    @dev What a PCK says of its platform: no CA, then Intel's extension to the end.
         # rule: ATTEST-5
    """
    found: Platform = empty(Platform)
    size: uint256 = len(padded) - 32
    at: uint256 = start
    self._must(convert(extract32(padded, at), uint256) >> 16 == convert(LEAF, uint256))
    at += 30
    w: uint256 = convert(extract32(padded, at), uint256)
    length: uint256 = (w >> 224) & c.M16
    self._must(w >> 240 == LONG and length + at + 4 == size and length >= 275)
    self._must((w >> 136) & (2**88 - 1) == convert(SGX, uint256))
    self._must((w >> 104) & c.M32 == LONG_OCTETS + length - 15)
    self._must((w >> 72) & c.M32 == LONG_SEQUENCE + length - 19)
    at += 23
    self._must(convert(extract32(padded, at), uint256) >> 128 == convert(PPID, uint256))
    at += 32

    w = convert(extract32(padded, at), uint256)
    length = (w >> 224) & c.M16
    self._must(w >> 240 == LONG and length >= 272)
    self._must((w >> 136) & (2**88 - 1) == convert(SGX_FIELD, uint256) and (w >> 128) & 255 == 2)
    self._must((w >> 96) & c.M32 == LONG_SEQUENCE + length - 16)
    end: uint256 = at + 4 + length
    at += 20
    for i: uint256 in range(1, 18):
        w = convert(extract32(padded, at), uint256)
        if w >> 120 == convert(SMALL_SVN, uint256) + (i << 16) and w & TOP_OF_SMALL == 0 and i < 17:
            # the usual one, below 128
            found.svns = (found.svns << 8) | ((w >> 112) & 255)
            at += 18
            continue
        self._must((w >> 144) & (2**96 - 1) == convert(SGX_SVN, uint256))
        length = (w >> 120) & 255
        self._must(w >> 248 == 48 and (w >> 240) & 255 == 15 + length)
        self._must((w >> 128) & c.M16 == 256 * i + 2 and length >= 1 and length <= 3)
        svn: uint256 = ((w >> 96) & c.M24) >> (24 - 8 * length)
        # not negative, in shortest form
        self._must(svn >> (8 * length - 1) == 0 and (length == 1 or svn >> (8 * length - 9) > 0))
        if i < 17:
            self._must(svn < 256)
            found.svns = (found.svns << 8) | svn
        else:
            self._must(svn < 65_536)
            found.pcesvn = svn
        at += 17 + length
    self._must(convert(extract32(padded, at), uint256) >> 120 == convert(CPU_SVN, uint256))
    self._must(convert(extract32(padded, at + 17), uint256) >> 128 == found.svns)
    at += 33
    self._must(at == end)
    self._must(convert(extract32(padded, at), uint256) >> 112 == convert(PCE_ID, uint256))
    at += 18
    self._must(convert(extract32(padded, at), uint256) >> 128 == convert(FMSPC, uint256))
    found.fmspc = convert(slice(padded, at + 16, 6), bytes6)
    at += 22
    for i: uint256 in range(5, 8):
        w = convert(extract32(padded, at), uint256)
        length = (w >> 240) & 255
        self._must(w >> 248 == 48 and length >= 12 and length < 128 and at + 2 + length <= size)
        self._must((w >> 152) & (2**88 - 1) == convert(SGX_FIELD, uint256) and (w >> 144) & 255 == i)
        at += 2 + length
    self._must(at == size)
    return found
