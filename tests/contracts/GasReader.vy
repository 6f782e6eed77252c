# pragma version 0.4.3
"""
@title What verify_field costs as a call inside a transaction, cold
"""
from contracts.interfaces import IRollup

used: public(uint256)


@external
def read(
    rollup: address,
    n: uint256,
    action_id: bytes32,
    k: bytes32,
    index: uint256,
    name_hash: bytes32,
    type_hash: bytes32,
    word: bytes32,
    proof: IRollup.FieldProof,
):
    before: uint256 = msg.gas
    holds: bool = staticcall IRollup(rollup).verify_field(
        n, action_id, k, index, name_hash, type_hash, word, proof
    )
    self.used = before - msg.gas
    assert holds
