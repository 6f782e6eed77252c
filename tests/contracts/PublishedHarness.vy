# pragma version 0.4.3
"""
@title The reading of published manifests as views, for tests alone
"""
from contracts.modules import published
from contracts.modules import step_model

initializes: step_model
initializes: published[step_model := step_model]


@deploy
def __init__(model: address):
    step_model.__init__(model)


@view
@external
def terms(manifest_hash: bytes32) -> (bool, uint256, uint256):
    found: published.Published = published._open(manifest_hash)
    if found.pointer == empty(address):
        return False, 0, 0
    return (
        True,
        published._output_tokens(found.header),
        published._temperature(found.header),
    )


@view
@external
def find(manifest_hash: bytes32, number: uint256) -> published.Written:
    return published._find(published._open(manifest_hash), number)


@view
@external
def choices(
    manifest_hash: bytes32, number: uint256, items: uint256
) -> DynArray[Bytes[published.MAX_CHOICE_BYTES], 65]:
    found: published.Published = published._open(manifest_hash)
    w: published.Written = published._find(found, number)
    at: uint256 = published._choices_at(found, w)
    texts: DynArray[Bytes[published.MAX_CHOICE_BYTES], 65] = []
    for option: uint256 in range(published._count_choices(w, items), bound=65):
        texts.append(published._choice(found, w, at, option))
    return texts


@view
@external
def biases(manifest_hash: bytes32, number: uint256, items: uint256) -> DynArray[int256, 65]:
    found: published.Published = published._open(manifest_hash)
    w: published.Written = published._find(found, number)
    numbers: DynArray[int256, 65] = []
    for option: uint256 in range(published._count_choices(w, items), bound=65):
        numbers.append(published._bias(found, w, option))
    return numbers


@view
@external
def name_end(manifest_hash: bytes32, number: uint256) -> uint256:
    found: published.Published = published._open(manifest_hash)
    return published._name_end(found, published._find(found, number))
