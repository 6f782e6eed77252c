# pragma version 0.4.3
"""
@title What is read of any field of a published manifest, as views, for tests alone
"""
from contracts.modules import option_rows
from contracts.modules import published
from contracts.modules import published_fields
from contracts.modules import step_model

initializes: step_model
initializes: published[step_model := step_model]


@deploy
def __init__(model: address):
    step_model.__init__(model)


@view
@external
def count(manifest_hash: bytes32) -> uint256:
    return published_fields._count(published._open(manifest_hash))


@view
@external
def find(manifest_hash: bytes32, index: uint256) -> published_fields.Field:
    return published_fields._find(published._open(manifest_hash), index)


@view
@external
def hashes(manifest_hash: bytes32, index: uint256) -> bytes32[3]:
    manifest: published.Published = published._open(manifest_hash)
    f: published_fields.Field = published_fields._find(manifest, index)
    return [
        published_fields._name_hash(manifest, f),
        published_fields._type_hash(manifest, f),
        published_fields._initial_word(manifest, f),
    ]


@view
@external
def is_array_at(manifest_hash: bytes32, index: uint256) -> bool:
    return published_fields._is_array_at(published._open(manifest_hash), index)


@view
@external
def lengths(manifest_hash: bytes32, count: uint256) -> uint256:
    manifest: published.Published = published._open(manifest_hash)
    f: published_fields.Field = published_fields._find(manifest, 0)
    return option_rows._sum_lengths(manifest.pointer, f.options_at, count)
