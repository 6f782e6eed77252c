# pragma version 0.4.3
"""
@title The root of real quotes, and where any other may stand in its place
"""


# "Intel SGX Root CA": keccak of its name's DER and its key's identifier, and its key
INTEL_ID: constant(bytes32) = 0x706ea87a02e66f0d08ecfd5562e38811b7ddf1b04dd5017ab5969ffbe76721f3
INTEL_X: constant(bytes32) = 0x0ba9c4c0c0c86193a3fe23d6b02cda10a8bbd4e88e48b4458561a36e705525f5
INTEL_Y: constant(bytes32) = 0x67918e2edc88e40d860bd0cc4ee26aacc988e505a953558c453f6b0904ae7394
# chain ids of local chains
LOCAL: constant(uint256[2]) = [31_337, 1_337]


@internal
@view
def _is_local() -> bool:
    """
    @dev Whether this is a chain for development, by its id.
         # rule: ATTEST-25
    """
    return chain.id in LOCAL
