"""What an enclave signs, and what its quote binds."""

from __future__ import annotations

from oyez.protocol.codec import H
from oyez.protocol.types import Address, Hash32

#: Of the rules by which a batch's roots are computed; another number is another application.
PROTOCOL_VERSION = 1


def compute_application(engine_build: Hash32, model_root: Hash32) -> Hash32:
    """Return the digest of what an enclave runs: build, model and protocol version.

    Rule: ENCLAVE-4
    """
    return H("APPLICATION", engine_build, model_root, PROTOCOL_VERSION)


def compute_attestation(registry: Address, assertion_id: Hash32) -> Hash32:
    """Return what an enclave's key signs for an assertion, as it is: no prefix.

    The id binds chain, rollup, parent, batch and roots; the registry says whose key counts.

    Rule: ENCLAVE-7
    """
    return H("ATTEST", registry, assertion_id)


def compute_binding(
    chain_id: int, registry: Address, signer: Address, ref_block: int, block_hash: Hash32
) -> Hash32:
    """Return the first half of a registering quote's report data: for which key, where and when.

    Args:
        chain_id: of the registry's chain.
        registry: the contract that will keep the key.
        signer: the key's address.
        ref_block: number of one of the last 256 blocks, the newest excluded.
        block_hash: its hash, which makes the quote no older than the block.

    Rule: ENCLAVE-5
    """
    return H("ENCLAVE", chain_id, registry, signer, ref_block, block_hash)


def compute_report_data(binding: Hash32, application: Hash32) -> bytes:
    """Return the 64 bytes that a registering quote is over.

    Rule: ENCLAVE-5
    """
    return binding + application
