"""ATTESTED as readers see it: beside the finality, whatever that is, and never in its place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from oyez import cli
from oyez.client import Client
from oyez.protocol.enclaves import compute_attestation
from oyez.protocol.types import CallId, Finality, Hash32
from tests.enclave_world import EnclaveWorld, open_world, register_key
from tests.local_rollup import build_counter
from tests.tdx_keys import new_key

KEY = new_key("attests")


@pytest.fixture
def world() -> Iterator[EnclaveWorld]:
    with open_world() as made:
        made.keep()
        register_key(made, KEY)
        yield made


def attest(world: EnclaveWorld, assertion_id: Hash32) -> None:
    digest = compute_attestation(world.registry.address, assertion_id)
    rollup = world.rollup
    rollup.act(5, rollup.sequencer.rollup.build_attest(assertion_id, KEY.sign(digest)))


def run(world: EnclaveWorld, file: Path, *words: str) -> str:
    result = CliRunner().invoke(cli.main, [*words, "--deployment", str(file)])
    assert result.exit_code == 0, result.stderr
    return result.stdout


def test_a_flag_stands_beside_the_finality(
    world: EnclaveWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule: READER-13, ROLLUP-26"""
    monkeypatch.setenv("OYEZ_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(Client, "load_engine", lambda _: world.rollup.engine)
    file, rollup, client = tmp_path / "deployment.json", world.rollup, world.rollup.client(1)
    rollup.deployment.save(file)
    action = client.publish(build_counter()).action_id
    calls = [CallId(0), CallId(1)]
    client.call(action, b"one")

    def see() -> tuple[Finality, bool, bool]:
        found = client.status(calls[0])
        return found.finality, found.attested, client.explain(calls[0]).attested

    assert see() == (Finality.QUEUED, False, False)
    rollup.close_batch()
    assert see()[1:] == (False, False)
    (first,) = rollup.propose()
    assert see() == (Finality.POSTED, False, False)
    assert '"attested": false' in run(world, file, "status", "0", "--json")
    assert "ATTESTED" not in run(world, file, "status", "0")
    attest(world, first)
    assert see() == (Finality.POSTED, True, True)
    assert "POSTED, ATTESTED, " in run(world, file, "status", "0")
    assert run(world, file, "explain", "0").count(", ATTESTED") == 1
    for word in ("status", "explain"):
        assert '"attested": true' in run(world, file, word, "0", "--json")

    # the next batch is another's: its own flag counts
    client.call(action, b"two")
    rollup.close_batch()
    (second,) = rollup.propose()
    assert [client.status(call).attested for call in calls] == [True, False]
    assert [client.explain(call).attested for call in calls] == [True, False]
    rollup.finalize()
    assert see() == (Finality.FINAL, True, True)
    assert client.explain(calls[1]).attested is False
    attest(world, second)
    assert client.status(calls[1]).attested
    assert client.explain(calls[1]).attested


def test_the_flag_is_that_of_the_block_that_was_read(world: EnclaveWorld) -> None:
    """Rule: READER-13"""
    rollup, client = world.rollup, world.rollup.client(1)
    client.call(client.publish(build_counter()).action_id, b"one")
    rollup.close_batch()
    (first,) = rollup.propose()
    reader, before = client.reader, client.reader.fetch_history()
    attest(world, first)
    signed = reader.fetch_history()
    rollup.defeat(first)
    dead = reader.fetch_history()
    assert [reader.fetch_attested(seen, 1) for seen in (before, signed, dead)] == [
        False, True, False,
    ]  # fmt: skip
    assert reader.fetch_attested(signed, 2) is False
