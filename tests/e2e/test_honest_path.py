"""A prompt becomes final state: real model, real processes, one of them killed on the way."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from oyez.author.compiler import compile_yaml
from oyez.author.tokenizer import load_author_model
from oyez.chain import client as chain_client
from oyez.chain import deploy
from oyez.chain.deployment import Deployment
from oyez.chain.keys import Key
from oyez.client import Client
from oyez.engines.exact import ExactEngine, load_engine
from oyez.protocol import codec
from oyez.protocol.types import CallId, Finality, Hash32, Outcome
from tests.devnet import Anvil
from tests.processes import ROOT, Service

GOOD = "What a wonderful evening, the food was delicious and everyone was kind."
BAD = "Terrible service, cold soup, and the waiter was rude to us."


@dataclass
class World:
    """A chain that flows, a rollup of the real model, and one published ballot."""

    anvil: Anvil
    deployment: Deployment
    file: Path
    engine: ExactEngine
    action: Hash32

    def client(self, index: int) -> Client:
        key = Key(bytes.fromhex(self.anvil.accounts[index].key[2:]))
        return Client(self.deployment, key, self.engine)

    def environment(self, home: Path) -> dict[str, str]:
        return {
            "HOME": str(home),
            "OYEZ_KEY": self.anvil.accounts[0].key,
            "OMP_NUM_THREADS": "1",
            "OYEZ_THREADS": "1",
        }

    def serve(self, home: Path) -> Service:
        arguments = ("serve", "--deployment", str(self.file), "--home", str(home / "s"))
        return Service(*arguments, environment=self.environment(home))

    def watch(self, home: Path) -> Service:
        arguments = ("watch", "--watch-only", "--json", "--deployment", str(self.file))
        arguments += ("--home", str(home / "c"))
        environment = self.environment(home)
        del environment["OYEZ_KEY"]  # a watcher needs no key
        return Service(*arguments, environment=environment)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    engine = load_engine()
    with Anvil(block_time=1) as anvil:
        sequencer = Key(bytes.fromhex(anvil.accounts[0].key[2:]))
        chain = chain_client.connect(anvil.rpc, anvil.chain_id)
        listed = deploy.ListedModel(engine.model_root, engine.shape)
        settings = deploy.DeploySettings(sequencer=sequencer.address, models=(listed,))
        deployment = deploy.deploy(chain, sequencer, settings)
        file = tmp_path_factory.mktemp("world") / "deployment.json"
        deployment.save(file)
        text = (ROOT / "examples" / "ballot.yaml").read_text(encoding="utf-8")
        manifest = compile_yaml(text, model=load_author_model()).data
        yield World(anvil, deployment, file, engine, publish(deployment, anvil, engine, manifest))


def publish(deployment: Deployment, anvil: Anvil, engine: ExactEngine, manifest: bytes) -> Hash32:
    author = Client(deployment, Key(bytes.fromhex(anvil.accounts[1].key[2:])), engine)
    action = author.publish(manifest).action_id
    assert action == codec.compute_action_id(author.address, codec.keccak(manifest))
    return action


def test_a_sequencer_without_a_stake_says_what_to_do(world: World, tmp_path: Path) -> None:
    """Rule: SEQ-14."""
    with world.serve(tmp_path) as sequencer:
        code, output = sequencer.wait_end()
    assert (code, output) == (4, "")
    text = "\n".join(sequencer.lines)
    assert "is missing: deposit 1 ETH with `oyez stake deposit`" in text
    assert world.anvil.accounts[0].key[2:] not in text


def test_a_prompt_becomes_final_state(world: World, tmp_path: Path) -> None:
    world.client(0).deposit_stake()
    rollup = world.client(0).rollup
    with world.serve(tmp_path) as sequencer, world.watch(tmp_path) as challenger:
        sequencer.wait_for("serving")
        challenger.wait_for("watching")
        inputs = [GOOD, BAD, "two\nlines"]
        for index, text in enumerate(inputs):
            world.client(1 + index).call(world.action, text.encode())
        for call in range(3):
            sequencer.wait_for(f"executed call={call}")
        sequencer.wait_for("proposed batch=1")
        challenger.wait_for("match batch=1 ")

        url = json.loads((tmp_path / "s" / "serve.json").read_text())["url"]
        answer = requests.get(f"{url}/calls/0", timeout=20).json()
        assert (answer["outcome"], answer["code"]) == ("ACCEPTED", "NONE")
        sequencer.end(signal.SIGKILL)

        with world.serve(tmp_path) as again:
            again.wait_for("serving")
            world.client(1).call(world.action, GOOD.encode())
            head = int(again.wait_for("queued call=3 ").rpartition("batch=")[2])
            again.wait_for("executed call=3")
            again.wait_for(f"proposed batch={head} ")
            assert not any(line.startswith("executed call=0") for line in again.lines)
            challenger.wait_for(f"match batch={head} ")

            world.anvil.advance(601)
            challenger.wait_for(f"final batch={head} ")
            url = json.loads((tmp_path / "s" / "serve.json").read_text())["url"]
            port = int(url.rsplit(":", 1)[1])
            code, output = again.end(signal.SIGTERM)
            assert (code, output) == (0, "")
            assert again.lines[-1] == "stopped"
        code, output = challenger.end(signal.SIGINT)
        assert code == 0

    # What the challenger said, live and in its file.
    said = [json.loads(line) for line in output.splitlines()]
    assert {report["event"] for report in said} == {"verdict", "final"}
    assert all(report["match"] for report in said)
    written = json.loads((tmp_path / "c" / "verdicts.json").read_text())
    assert [(v["match"], v["final"]) for v in written["verdicts"]] == [(True, True)] * head
    assert not any(GOOD[:12] in line for line in (*challenger.lines, *sequencer.lines))
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", port))

    # What the chain says, without either service.
    assert rollup.fetch_head() == head
    reader = world.client(2)
    statuses = [reader.status(CallId(index)) for index in range(4)]
    assert [s.finality for s in statuses] == [Finality.FINAL] * 4
    assert [s.outcome for s in statuses] == [
        Outcome.ACCEPTED,
        Outcome.ACCEPTED,
        Outcome.REJECTED,
        Outcome.ACCEPTED,
    ]
    assert reader.state(world.action).state_root == rollup.fetch_root("state_root", head)
    for field in reader.fetch_action(world.action).manifest.fields:
        assert reader.check(reader.prove_field(world.action, field.name.decode()))
