# pragma version 0.4.3
"""
@title Who vouches for platforms and documents: the root, its CAs and signers, their revocation lists
@notice Anyone submits what is signed, in force and newer than what it replaces. Whoever was on a list
        stays revoked.
"""
from contracts import constants as c
from contracts.interfaces import ITdxCollateral
from contracts.modules import p256
from contracts.modules import revocations
from contracts.modules import x509

struct Root:
    id: bytes32  # keccak of its name's DER and its key's identifier
    x: bytes32
    y: bytes32

struct Issuer:
    x: bytes32
    y: bytes32
    word: uint256  # mark 160 | not after 40 | next list 40 | role 8
    dates: uint256  # not before 40 | newest list 40


ROOT_ID: immutable(bytes32)
ROOT_X: immutable(bytes32)
ROOT_Y: immutable(bytes32)

# id => a CA below the root, or a signer of documents
issuers: HashMap[bytes32, Issuer]
# newest list 40 | next list 40 | epoch: revoked signers so far 32
root_word: uint256
# mark => it is on a list of its issuer
revoked: HashMap[bytes20, bool]
# mark => it is that of a signer
signers: HashMap[bytes20, bool]


@deploy
def __init__(root: Root):
    """
    @param root Whose key signs all in the end.
    """
    p256._check_precompile()
    ROOT_ID = root.id
    ROOT_X = root.x
    ROOT_Y = root.y


@external
def submit_list(list: Bytes[c.MAX_LIST_BYTES], signature: Bytes[64]):
    """
    @notice Store a newer revocation list of the root or of one of its CAs.
    @custom:rule ATTEST-21
    @param list The signed part, DER.
    @param signature r and s.
    """
    read: revocations.RevocationList = revocations._read(concat(list, empty(bytes32)))
    is_root: bool = read.issuer == ROOT_ID
    last: uint256 = 0
    issuer: Issuer = empty(Issuer)
    if is_root:
        issuer.x = ROOT_X
        issuer.y = ROOT_Y
        last = self.root_word >> 72
    else:
        issuer = self._load(read.issuer, x509.ROLE_CA)
        last = issuer.dates & c.M40
    assert read.this_update > last, "issuers: list not newer"
    assert block.timestamp >= read.this_update, "issuers: list of later"
    assert block.timestamp < read.next_update, "issuers: list expired"
    assert self._is_signed(sha256(list), signature, issuer), "issuers: list not signed"

    epoch: uint256 = self.root_word & c.M32
    for serial: uint256 in read.serials:
        mark: bytes20 = x509._mark(read.issuer_name, serial)
        if not self.revoked[mark]:
            self.revoked[mark] = True
            if is_root and self.signers[mark]:
                epoch += 1
            log ITdxCollateral.CertificateRevoked(issuer=read.issuer, mark=mark, serial=serial)
    if is_root:
        self.root_word = (read.this_update << 72) | (read.next_update << 32) | epoch
    else:
        self.issuers[read.issuer].word = (
            issuer.word & ~(c.M40 << 8)
        ) | (read.next_update << 8)
        self.issuers[read.issuer].dates = (issuer.dates & ~c.M40) | read.this_update

    log ITdxCollateral.ListStored(
        issuer=read.issuer,
        this_update=read.this_update,
        next_update=read.next_update,
        entries=len(read.serials),
    )


@external
def submit_issuer(certificate: Bytes[c.MAX_CERTIFICATE_BYTES], signature: Bytes[64]):
    """
    @notice Store who issues PCKs, or who signs documents: what the root has issued, or renewed.
    @custom:rule ATTEST-22
    @param certificate The signed part, DER.
    @param signature r and s.
    """
    padded: Bytes[x509.PADDED] = concat(certificate, empty(bytes32))
    read: x509.Certificate = x509._open(padded)
    role: uint256 = x509._read_role(padded, read.at)
    assert read.issuer == ROOT_ID, "issuers: not issued by the root"
    assert block.timestamp >= read.not_before, "issuers: not valid yet"
    assert block.timestamp <= read.not_after, "issuers: expired"
    assert block.timestamp < (self.root_word >> 32) & c.M40, "issuers: root list expired"
    assert not self.revoked[read.mark], "issuers: revoked"
    assert p256._is_signed(
        sha256(certificate), self._r(signature), self._s(signature), ROOT_X, ROOT_Y
    ), "issuers: not signed"
    known: Issuer = self.issuers[read.subject]
    assert read.not_before > known.dates >> 40, "issuers: not newer"

    if role == x509.ROLE_SIGNER:
        self.signers[read.mark] = True
    self.issuers[read.subject] = Issuer(
        x=read.x,
        y=read.y,
        word=(convert(read.mark, uint256) << 96)
        | (read.not_after << 56)
        | (known.word & (c.M40 << 8))
        | role,
        dates=(read.not_before << 40) | (known.dates & c.M40),
    )

    log ITdxCollateral.IssuerStored(
        issuer=read.subject, mark=read.mark, role=role, until=read.not_after
    )


@view
@external
def root() -> (bytes32, bytes32):
    """
    @notice The key that everything leads to.
    @return x and y.
    """
    return ROOT_X, ROOT_Y


@view
@external
def is_revoked(mark: bytes20) -> bool:
    """
    @notice Whether a certificate is on a list of its issuer.
    @param mark The first 20 bytes of keccak(keccak(issuer's name, DER), serial number).
    @return True from the first list on that had it.
    """
    return self.revoked[mark]


@view
@external
def issuer(id: bytes32) -> Issuer:
    """
    @notice A CA or signer.
    @param id Keccak of its name's DER and its key's identifier.
    @return Key, packed word and dates; zero for an unknown one.
    """
    return self.issuers[id]


@view
@external
def list_dates(issuer: bytes32) -> (uint256, uint256):
    """
    @notice When the newest revocation list was issued, and when the next one is due.
    @param issuer Id of the root or of a CA.
    @return thisUpdate and nextUpdate; zeros where there is no list.
    """
    if issuer == ROOT_ID:
        return self.root_word >> 72, (self.root_word >> 32) & c.M40
    known: Issuer = self.issuers[issuer]
    return known.dates & c.M40, (known.word >> 8) & c.M40


@internal
@pure
def _r(signature: Bytes[64]) -> bytes32:
    assert len(signature) == 64, "issuers: signature length"
    return extract32(signature, 0)


@internal
@pure
def _s(signature: Bytes[64]) -> bytes32:
    return extract32(signature, 32)


@internal
@view
def _is_signed(digest: bytes32, signature: Bytes[64], by: Issuer) -> bool:
    return p256._is_signed(digest, self._r(signature), self._s(signature), by.x, by.y)


@internal
@view
def _load(id: bytes32, role: uint256) -> Issuer:
    """
    @dev An issuer of this role that may still issue.
         # rule: ATTEST-6
    """
    found: Issuer = self.issuers[id]
    assert found.word & c.M8 == role, "issuers: unknown"
    assert block.timestamp <= (found.word >> 56) & c.M40, "issuers: no longer valid"
    mark: bytes20 = convert(convert(found.word >> 96, uint160), bytes20)
    assert not self.revoked[mark], "issuers: revoked since"
    return found
