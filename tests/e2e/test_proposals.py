"""What an assertion's id hashes, from the chain's logs alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest

from oyez.chain.client import Chain, Log
from oyez.chain.proposals import fetch_id_preimage
from oyez.protocol import codec
from oyez.protocol.errors import Temporary
from oyez.protocol.types import ZERO_HASH, Hash32
from tests.local_rollup import LocalRollup, build_counter


def test_the_log_of_a_proposal_gives_the_preimage_of_its_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rule: FRAME-5"""
    with LocalRollup() as rollup:
        action = rollup.client(1).publish(build_counter()).action_id
        for text in (b"one", b"two"):
            rollup.client(1).call(action, text)
            rollup.close_batch()
        posted = rollup.propose()
        genesis = rollup.sequencer.reader.genesis_id
        sizes = []
        for assertion_id in (genesis, *posted):
            found = fetch_id_preimage(rollup.chain, rollup.deployment, assertion_id)
            assert codec.keccak(found) == assertion_id
            sizes.append(len(found))
        assert sizes == [96, 352, 352]

        with pytest.raises(Temporary, match="no proposal of 0x00"):
            fetch_id_preimage(rollup.chain, rollup.deployment, ZERO_HASH)

        original = Chain.fetch_logs

        def swap(*filters: Any, about: Hash32) -> Iterator[Log]:
            """Answer with every assertion's log as the one that was asked for."""
            for log in original(*filters):
                yield dataclasses.replace(log, topics=(log.topics[0], about, *log.topics[2:]))

        monkeypatch.setattr(Chain, "fetch_logs", swap)
        # a log of the right topic is passed over where the roots are others
        assert (
            codec.keccak(fetch_id_preimage(rollup.chain, rollup.deployment, posted[1])) == posted[1]
        )
        with pytest.raises(Temporary, match="shows no proposal of"):
            fetch_id_preimage(rollup.chain, rollup.deployment, ZERO_HASH)
