# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Assertions that a registered enclave signed: a flag beside finality, and nothing more
@notice It never shortens the challenge window and never decides a duel.
"""
from contracts import constants as c
from contracts.interfaces import IEnclaveRegistry
from contracts.interfaces import IRollup
from contracts.modules import assertions

uses: assertions

# half of secp256k1's order: of the two signatures of a key only the lower one counts
HALF_ORDER: constant(uint256) = (
    57896044618658097711785492504343953926418782139537452191302581570759080747168
)
SIGNATURE_BYTES: constant(uint256) = 65

ENCLAVES: immutable(IEnclaveRegistry)
# whether the sequencer's own first proposals must be attested
NEEDS_ENCLAVE: immutable(bool)

# signed before they were proposed
ahead: HashMap[bytes32, bool]


@deploy
def __init__(registry: address, needs_enclave: bool):
    """
    @custom:rule ROLLUP-27
    @param registry IEnclaveRegistry; zero, and nothing is ever attested.
    @param needs_enclave Whether the sequencer, while it is first, must have attested ids.
    """
    if registry == empty(address):
        assert not needs_enclave, "rollup: no enclaves to need"
    else:
        assert (
            not staticcall IEnclaveRegistry(registry).is_simulated()
            or chain.id == 31337
            or chain.id == 1337
        ), "rollup: simulated enclaves"
    ENCLAVES = IEnclaveRegistry(registry)
    NEEDS_ENCLAVE = needs_enclave


@external
def attest(id: bytes32, signature: Bytes[SIGNATURE_BYTES]):
    """
    @notice Mark an assertion that a registered enclave's key signed. Anyone may bring the signature.
    @custom:rule ROLLUP-26
    @param id PENDING or FINAL; also one not proposed yet, where the sequencer needs an enclave.
    @param signature r, s, v of H(ATTEST, registry, id), without a prefix; the lower s, v 27 or 28.
    """
    assert ENCLAVES.address != empty(address), "rollup: no enclaves"
    assert len(signature) == SIGNATURE_BYTES, "rollup: signature length"
    r: uint256 = convert(slice(signature, 0, 32), uint256)
    s: uint256 = convert(slice(signature, 32, 32), uint256)
    v: uint256 = convert(slice(signature, 64, 1), uint256)
    assert s <= HALF_ORDER, "rollup: higher s"
    assert v == 27 or v == 28, "rollup: signature v"
    digest: bytes32 = keccak256(abi_encode(c.ATTEST, ENCLAVES.address, id))
    signer: address = ecrecover(digest, v, r, s)
    # an invalid signature is nobody's
    assert signer != empty(address), "rollup: no signature"
    assert staticcall ENCLAVES.is_active(signer), "rollup: no enclave's key"

    word: uint256 = assertions.records[id].word
    status: uint256 = word & c.M8
    if word == 0:
        assert NEEDS_ENCLAVE, "rollup: nothing to attest"
        self.ahead[id] = True
    else:
        assert (
            status == c.STATUS_PENDING or status == c.STATUS_FINAL
        ), "rollup: too late to attest"
        assertions.records[id].word = word | c.ATTESTED

    log IRollup.AssertionAttested(assertion_id=id, signer=signer)


@view
@external
def attested(id: bytes32) -> bool:
    """
    @notice Whether a registered enclave signed a proposed assertion; says nothing of finality.
    @custom:rule ROLLUP-26
    @param id The assertion.
    @return True iff it was proposed and attested.
    """
    return assertions.records[id].word & c.ATTESTED != 0


@internal
@view
def _flag(id: bytes32, is_due: bool) -> uint256:
    """
    @dev The flag that a new assertion begins with. Where it is due, it must be there.
         # rule: ROLLUP-28
    """
    if not NEEDS_ENCLAVE:
        return 0
    is_attested: bool = self.ahead[id]
    assert is_attested or not is_due, "rollup: sequencer needs enclave"
    return c.ATTESTED if is_attested else 0
