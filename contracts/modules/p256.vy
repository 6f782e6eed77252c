# pragma version 0.4.3
"""
@title ECDSA over P-256, by the precompile of EIP-7951
@notice A valid signature is a successful call that answers 32 bytes of value 1. Nothing else is: not
        an empty answer, which is what a chain without the precompile gives.
"""

PRECOMPILE: constant(address) = 0x0000000000000000000000000000000000000100
# A known signature, of the SHA-256 of "oyez".
KNOWN_DIGEST: constant(bytes32) = 0xf354ea8a1b91b42225a4e97fb9ef4246e147a615705f44dbcf5e7202111c69ae
KNOWN_R: constant(bytes32) = 0x93b4274e9b6a5981114ffe797b2ef235f587f5fc0533b91a65f29d9355c721f6
KNOWN_S: constant(bytes32) = 0x9298340951a83e90d7cfa9ae9e6d09d7f00fd4f96c922d29b82a2fa53e69ceee
KNOWN_X: constant(bytes32) = 0x82e6c28cce05a35a3ddbfa91ea13aa1e02f95b8d4172ec8fa0f0926eaf8b520f
KNOWN_Y: constant(bytes32) = 0x05e4aaa649cc8123bf0f403ef5c3831fcc5e800a4eda94f05d14cb4f8603867c


@internal
@view
def _is_signed(digest: bytes32, r: bytes32, s: bytes32, x: bytes32, y: bytes32) -> bool:
    """
    @dev Whether (r, s) is a signature of a SHA-256 digest by the key (x, y). (r, n - s) is one too.
         # rule: ATTEST-18
    """
    done: bool = False
    answer: Bytes[32] = b""
    done, answer = raw_call(
        PRECOMPILE,
        concat(digest, r, s, x, y),
        max_outsize=32,
        is_static_call=True,
        revert_on_failure=False,
    )
    return done and len(answer) == 32 and convert(answer, uint256) == 1


@internal
@view
def _check_precompile():
    """
    @dev For constructors: the known signature passes, and fails for another digest.
         # rule: ATTEST-18
    """
    assert self._is_signed(KNOWN_DIGEST, KNOWN_R, KNOWN_S, KNOWN_X, KNOWN_Y), "p256: no precompile"
    assert not self._is_signed(
        KNOWN_S, KNOWN_R, KNOWN_S, KNOWN_X, KNOWN_Y
    ), "p256: accepts a false signature"
