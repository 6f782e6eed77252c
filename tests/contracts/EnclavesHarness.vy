# pragma version 0.4.3
"""
@title A registry of enclaves whose keys a test names
"""
from contracts.interfaces import IEnclaveRegistry

implements: IEnclaveRegistry

IS_SIMULATED: immutable(bool)

keys: HashMap[address, bool]


@deploy
def __init__(is_simulated: bool):
    IS_SIMULATED = is_simulated


@external
def name(signer: address, is_active: bool):
    self.keys[signer] = is_active


@view
@external
def is_active(signer: address) -> bool:
    return self.keys[signer]


@view
@external
def application(signer: address) -> bytes32:
    return empty(bytes32)


@view
@external
def is_simulated() -> bool:
    return IS_SIMULATED
