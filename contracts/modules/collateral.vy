# pragma version 0.4.3
"""
@title What judges quotes: TCB infos and the quoting enclave's identity, kept on chain
@notice Anyone submits; all is signed by a signer that the root issued, in force and newer than what it
        replaces. What is newer and makes nothing acceptable is taken all the same.
"""
from contracts import constants as c
from contracts.interfaces import ITdxCollateral
from contracts.modules import documents
from contracts.modules import issuers
from contracts.modules import x509

uses: issuers

# A module's ISVSVN where none is acceptable: above every real one.
NO_MODULE: constant(uint256) = 2**16

# fmspc => svns of SGX 128 | of TDX 128
svns: HashMap[bytes6, uint256]
# fmspc => issued 40 | until 40 | evaluation 16 | epoch 32 | pcesvn 16 | is current 8
infos: HashMap[bytes6, uint256]
# fmspc => version => as its TCB info has it: issued 40 | until 40 | evaluation 16 | epoch 32; ISVSVN 16 |
# is current 8
modules: HashMap[bytes6, HashMap[uint256, uint256]]
qe_signer: bytes32
qe_attributes: uint256
# issued 40 | until 40 | evaluation 16 | epoch 32 | is current 8 | numbers 96
qe_word: uint256


@external
def submit_tcb_info(
    document: Bytes[c.MAX_DOCUMENT_BYTES], signature: Bytes[64], signer: bytes32
):
    """
    @notice Store a newer TCB info of an FMSPC: what is UpToDate, or that nothing is.
    @custom:rule ATTEST-23
    @param document JSON, as it is signed.
    @param signature r and s.
    @param signer Its id.
    """
    epoch: uint256 = issuers.root_word & c.M32
    info: documents.TcbInfo = documents._read_tcb_info()
    until: uint256 = self._check_document(document, signature, signer, info.issued, info.until)
    known: uint256 = self.infos[info.fmspc]
    self._check_newer(
        info.issued, info.evaluation, epoch, known >> 112, (known >> 56) & c.M16, (known >> 24) & c.M32
    )

    head: uint256 = (info.issued << 112) | (until << 72) | (info.evaluation << 56) | (epoch << 24)
    self.infos[info.fmspc] = head | (info.pcesvn << 8) | convert(info.is_current, uint256)
    self.svns[info.fmspc] = info.svns
    for module: documents.Module in info.modules:
        self.modules[info.fmspc][module.version] = (
            head | (module.isvsvn << 8) | convert(module.is_current, uint256)
        )

    log ITdxCollateral.TcbInfoStored(
        fmspc=info.fmspc,
        evaluation=info.evaluation,
        issued=info.issued,
        until=until,
        is_current=info.is_current,
    )


@external
def submit_qe_identity(
    document: Bytes[c.MAX_DOCUMENT_BYTES], signature: Bytes[64], signer: bytes32
):
    """
    @notice Store a newer identity of the quoting enclave.
    @custom:rule ATTEST-23
    @param document JSON, as it is signed.
    @param signature r and s.
    @param signer Its id.
    """
    epoch: uint256 = issuers.root_word & c.M32
    qe: documents.QeIdentity = documents._read_qe_identity()
    until: uint256 = self._check_document(document, signature, signer, qe.issued, qe.until)
    known: uint256 = self.qe_word
    self._check_newer(
        qe.issued, qe.evaluation, epoch, known >> 192, (known >> 136) & c.M16, (known >> 104) & c.M32
    )

    self.qe_signer = qe.signer
    self.qe_attributes = qe.attributes
    self.qe_word = (
        (qe.issued << 192)
        | (until << 152)
        | (qe.evaluation << 136)
        | (epoch << 104)
        | (convert(qe.is_current, uint256) << 96)
        | (qe.miscselect << 32)
        | (qe.product << 16)
        | qe.isvsvn
    )

    log ITdxCollateral.QeIdentityStored(
        evaluation=qe.evaluation, issued=qe.issued, until=until, is_current=qe.is_current
    )


# --- VIEWS ---


@view
@external
def standard(
    issuer: bytes32, mark: bytes20, fmspc: bytes6, version: uint256, version_2: uint256
) -> ITdxCollateral.Standard:
    """
    @notice What a platform and its quoting enclave must reach to be UpToDate, now.
    @custom:rule ATTEST-24
    @param issuer Id of who issued the PCK.
    @param mark The PCK's.
    @param fmspc The platform's.
    @param version The TDX module's, as the domain began.
    @param version_2 The module's now; the same where a quote does not say it.
    @return The standard, or why there is none.
    """
    found: ITdxCollateral.Standard = empty(ITdxCollateral.Standard)
    info: uint256 = self.infos[fmspc]
    qe: uint256 = self.qe_word
    found.fault, found.until = self._fault(issuer, mark, info, qe)
    if found.fault != c.FAULT_NONE:
        return found

    found.x = issuers.issuers[issuer].x
    found.y = issuers.issuers[issuer].y
    found.svns = self.svns[fmspc]
    found.pcesvn = (info >> 8) & c.M16
    found.module = self._module(fmspc, version, info)
    found.module_2 = found.module
    if version_2 != version:
        found.module_2 = self._module(fmspc, version_2, info)
    found.qe_signer = self.qe_signer
    found.qe_attributes = self.qe_attributes
    found.qe_numbers = qe & (2**96 - 1)
    return found


@view
@external
def tcb_info(fmspc: bytes6) -> (uint256, uint256, uint256, bool):
    """
    @notice The newest TCB info of an FMSPC.
    @param fmspc Of the platforms.
    @return Issued, until, evaluation number, whether anything is UpToDate.
    """
    info: uint256 = self.infos[fmspc]
    return info >> 112, (info >> 72) & c.M40, (info >> 56) & c.M16, info & 1 == 1


@view
@external
def qe_identity() -> (uint256, uint256, uint256, bool):
    """
    @notice The newest identity of the quoting enclave.
    @return Issued, until, evaluation number, whether anything is UpToDate.
    """
    qe: uint256 = self.qe_word
    return qe >> 192, (qe >> 152) & c.M40, (qe >> 136) & c.M16, (qe >> 96) & 1 == 1


# --- INTERNAL ---


@internal
@view
def _check_document(
    document: Bytes[c.MAX_DOCUMENT_BYTES],
    signature: Bytes[64],
    signer: bytes32,
    issued: uint256,
    until: uint256,
) -> uint256:
    """
    @dev Signed by a signer and in force; returns until when both are.
         # rule: ATTEST-11
    """
    by: issuers.Issuer = issuers._load(signer, x509.ROLE_SIGNER)
    assert issuers._is_signed(sha256(document), signature, by), "collateral: not signed"
    assert block.timestamp >= issued, "collateral: of later"
    assert block.timestamp <= until, "collateral: expired"
    return min(until, (by.word >> 56) & c.M40)


@internal
@pure
def _check_newer(
    issued: uint256,
    evaluation: uint256,
    epoch: uint256,
    known_issued: uint256,
    known_evaluation: uint256,
    known_epoch: uint256,
):
    """
    @dev Issued later, or once more under the signers that are left after one was revoked.
         # rule: ATTEST-17
    """
    assert (
        issued > known_issued or (issued == known_issued and epoch != known_epoch)
    ), "collateral: not newer"
    assert evaluation >= known_evaluation, "collateral: evaluation number"


@internal
@view
def _module(fmspc: bytes6, version: uint256, info: uint256) -> uint256:
    """
    @dev The least ISVSVN of a TDX module's version in the TCB info of this word. What another TCB info
         said of it, also one of the same time under a signer revoked since, counts no more.
    """
    word: uint256 = self.modules[fmspc][version]
    return (word >> 8) & c.M16 if word >> 24 == info >> 24 and word & 1 == 1 else NO_MODULE


@internal
@view
def _fault(
    issuer: bytes32, mark: bytes20, info: uint256, qe: uint256
) -> (uint256, uint256):
    """
    @dev Why nothing of these can be accepted, or until when what is stored holds. What is for good comes
         before what only time has ended.
         # rule: ATTEST-24
    """
    word: uint256 = issuers.issuers[issuer].word
    root_word: uint256 = issuers.root_word
    if word & c.M8 != x509.ROLE_CA:
        return c.FAULT_UNKNOWN_ISSUER, 0
    if issuers.revoked[convert(convert(word >> 96, uint160), bytes20)]:
        return c.FAULT_ISSUER_REVOKED, 0
    if issuers.revoked[mark]:
        return c.FAULT_REVOKED, 0
    if info == 0:
        return c.FAULT_NO_TCB_INFO, 0
    if qe == 0:
        return c.FAULT_NO_QE_IDENTITY, 0
    if info & 1 == 0:
        return c.FAULT_TCB_WITHDRAWN, 0
    if (qe >> 96) & 1 == 0:
        return c.FAULT_QE_WITHDRAWN, 0
    epoch: uint256 = root_word & c.M32
    if (info >> 24) & c.M32 != epoch or (qe >> 104) & c.M32 != epoch:
        return c.FAULT_SIGNER_REVOKED, 0

    until: uint256 = (word >> 56) & c.M40
    if block.timestamp > until:
        return c.FAULT_ISSUER_EXPIRED, 0
    next_list: uint256 = min((word >> 8) & c.M40, (root_word >> 32) & c.M40)
    if block.timestamp >= next_list:
        return c.FAULT_LIST_EXPIRED, 0
    until = min(min(until, next_list - 1), (info >> 72) & c.M40)
    if block.timestamp > until:
        return c.FAULT_TCB_EXPIRED, 0
    until = min(until, (qe >> 152) & c.M40)
    if block.timestamp > until:
        return c.FAULT_QE_EXPIRED, 0
    return c.FAULT_NONE, until
