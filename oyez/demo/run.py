"""The story in order: deploy, publish, serve and watch, call, post, compare, finalize, read.

Everything a user would do is done here the way a user does it: through the SDK, and with
`oyez serve` and `oyez watch` as processes of their own. No number is counted here that a
contract's view can answer.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from oyez import cell_state
from oyez.author import compiler, tokenizer
from oyez.chain import client as chain_client
from oyez.chain import contracts, deploy, sender
from oyez.chain.deployment import Deployment
from oyez.chain.devnet import Devnet
from oyez.chain.keys import Key
from oyez.client import Client
from oyez.demo import processes, story
from oyez.demo.calls import CALLS, ROUND
from oyez.engines import exact
from oyez.protocol import batch_data, codec, schema
from oyez.protocol.errors import Fatal
from oyez.protocol.state import State
from oyez.protocol.types import Finality, Hash32, Outcome
from oyez.reader import Posted

#: accounts of the local chain, by role
AUTHOR, SEQUENCER, CALLERS = 0, 1, (3, 4, 5)
PATIENCE_SECONDS = 120
LOOK_SECONDS = 0.25
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the story plays: the chain, its contracts, the folder, the services."""

    devnet: Devnet
    keys: tuple[Key, ...]
    deployment: Deployment
    home: Path
    children: processes.Children

    @property
    def file(self) -> Path:
        """The deployment file that every command takes."""
        return self.home / "deployment.json"

    def client(self, account: int) -> Client:
        """Return the SDK with one account's key."""
        return Client(self.deployment, self.keys[account])

    def wait(self, what: str, look: Callable[[], Found | None]) -> Found:
        """Look until there is something.

        Raises:
            Fatal: a service ended, or nothing came in time.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            found = look()
            if found is not None:
                return found
            ended = self.children.ended()
            if ended:
                raise Fatal(f"while waiting for {what}: {'; '.join(ended)}")
            time.sleep(LOOK_SECONDS)
        raise Fatal(f"{what} did not come within {PATIENCE_SECONDS} s: see the logs in {self.home}")


def tell(root: Path, home: Path, devnet: Devnet, children: processes.Children) -> str:
    """Play the whole story and return its last line, for the caller to print.

    Args:
        root: the project's folder.
        home: an empty folder for the deployment file, the services' homes and logs.
        devnet: a running local chain.
        children: keeps the services; they run on after the story.
    """
    stage, action_id = raise_curtain(root, home, devnet, children)
    start_services(stage)
    send_calls(stage, action_id)
    posted = stage.wait("the batches", lambda: find_posted(stage))
    client = stage.client(AUTHOR)
    tell_calls(client, posted)
    for batch in posted:
        verdict = stage.wait("the challenger's verdict", lambda b=batch: find_verdict(stage, b))  # type: ignore[misc]  # a default binds the loop's variable
        story.tell_batch(batch, verdict)
        if not verdict["match"]:
            raise Fatal("the challenger disagrees with the sequencer")
    finalize(stage, client, len(posted))
    read_by_proof(stage, client, action_id)
    return summarize(client, posted)


def raise_curtain(
    root: Path, home: Path, devnet: Devnet, children: processes.Children
) -> tuple[Stage, Hash32]:
    """Deploy the contracts with the model, publish the ballot, deploy its consumer."""
    keys = tuple(Key(bytes.fromhex(account.key[2:])) for account in devnet.accounts)
    chain = chain_client.connect(devnet.rpc, devnet.chain_id)
    story.say(f"chain      anvil, chain id {devnet.chain_id}, {devnet.rpc}")
    engine = exact.load_engine()
    story.say(f"model      SmolLM2-135M-Instruct, exact integers, root {engine.model_root.hex()}")
    settings = deploy.DeploySettings(
        sequencer=keys[SEQUENCER].address,
        models=(deploy.ListedModel(engine.model_root, engine.shape),),
    )
    deployment = deploy.deploy(chain, keys[AUTHOR], settings)
    for name, address in deployment.contracts.items():
        story.say(f"contract   {name:14} 0x{address.hex()}")
    text = (root / "examples" / "ballot.yaml").read_text(encoding="utf-8")
    compiled = compiler.compile_yaml(text, model=tokenizer.load_author_model())
    published = Client(deployment, keys[AUTHOR]).publish(compiled.data)
    story.say(
        f"action     ballot, {len(compiled.data)} bytes on chain for {published.gas_used:,} gas, "
        f"id 0x{published.action_id.hex()}"
    )
    index = cell_state.find_field(compiled.manifest, "positive")
    consumer = deploy.deploy_consumer(
        chain,
        keys[AUTHOR],
        rollup=deployment.address("Rollup"),
        action_id=published.action_id,
        index=index,
        name_hash=codec.keccak(b"positive"),
        type_hash=schema.compute_type_hash(compiled.manifest.fields[index]),
    )
    stage = Stage(devnet, keys, replace(deployment, consumer=consumer), home, children)
    stage.deployment.save(stage.file)
    return stage, published.action_id


def start_services(stage: Stage) -> None:
    """Deposit the sequencer's stake; start sequencer and challenger with separate homes."""
    stake = stage.client(SEQUENCER).deposit_stake()
    program = str(Path(sys.executable).parent / "oyez")
    shared = (program, "--deployment", str(stage.file))
    bare = {name: value for name, value in os.environ.items() if not name.startswith("OYEZ_")}
    secret = {**bare, "OYEZ_KEY": stage.devnet.accounts[SEQUENCER].key}
    watch = ("watch", "--watch-only")
    for name, command, env in (("sequencer", ("serve",), secret), ("challenger", watch, bare)):
        home = ("--home", str(stage.home / name))
        stage.children.start(name, (*shared, *command, *home), env)
    served = stage.home / "sequencer" / "serve.json"
    url = stage.wait("the sequencer", lambda: read_json(served))["url"]
    stage.wait("the challenger", lambda: read_json(find_verdicts(stage)))
    story.say(f"sequencer  {url}, stake {stake.amount // 10**18} ETH, its own process and home")
    story.say("challenger its own process and home: it knows the chain and nothing else")
    story.say()


def send_calls(stage: Stage, action_id: Hash32) -> None:
    """Send the calls in rounds; the sequencer closes a batch after each."""
    clients = [stage.client(account) for account in CALLERS]
    for sent, (caller, data) in enumerate(CALLS, 1):
        clients[caller].call(action_id, data)
        if sent % ROUND == 0 or sent == len(CALLS):
            story.say(f"{sent} calls are in the inbox, from {len(CALLERS)} accounts")
            stage.wait("the batch's end", lambda n=sent: find_closed(stage, n))  # type: ignore[misc]  # a default binds the loop's variable
    story.say()


def find_closed(stage: Stage, calls: int) -> int | None:
    """Return the number of closed batches once they hold this many calls."""
    batches = stage.client(AUTHOR).reader.fetch_history().batches
    return len(batches) if sum(b.header.count for b in batches) == calls else None


def find_posted(stage: Stage) -> list[Posted] | None:
    """Return every batch, rebuilt from its rows, once no call is left out."""
    reader = stage.client(AUTHOR).reader
    history = reader.fetch_history()
    path = reader.select(history, level="posted")
    covered = sum(batch.header.count for batch in history.batches[: len(path)])
    return reader.rebuild(history, path) if covered == len(CALLS) else None


def tell_calls(client: Client, posted: list[Posted]) -> None:
    """Show the calls one by one; each row is applied alone to see its fields before and after."""
    state, told = State.empty(), []
    manifest = client.reader.fetch_manifest(posted[0].batch.entries[0].manifest_hash)
    manifests = {manifest.hash: manifest}
    values = schema.initial_values(manifest.fields)
    for batch in posted:
        for entry, row in zip(batch.batch.entries, batch.rows, strict=True):
            applied = batch_data.apply_rows(
                state=state, entries=[entry], rows=[row], manifests=manifests
            )
            state, receipt = applied.state, applied.receipts[0]
            cell = state.get(receipt.cell_key)
            after = values if cell is None else cell.values
            told.append(story.Told(entry, receipt, show(values), show(after)))
            values = after
    story.tell_calls(told, [field.name.decode() for field in manifest.fields])
    story.say()


def show(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a cell's values as text and numbers."""
    return tuple(value.decode() if isinstance(value, bytes) else value for value in values)


def find_verdicts(stage: Stage) -> Path:
    """Return where the challenger writes what it found."""
    return stage.home / "challenger" / "verdicts.json"


def find_verdict(stage: Stage, posted: Posted) -> dict[str, Any] | None:  # Any: JSON
    """Return the challenger's verdict on one assertion, once there is one."""
    wanted = "0x" + posted.assertion.assertion_id.hex()
    document = read_json(find_verdicts(stage))
    return next((v for v in document["verdicts"] if v["assertion_id"] == wanted), None)


def read_json(path: Path) -> Any:  # Any: JSON
    """Return a JSON file's content, or None while it is not there; writers replace it whole."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def finalize(stage: Stage, client: Client, last: int) -> None:
    """Move the local chain's clock over the challenge window and wait for the last batch."""
    window = client.rollup.fetch_settings().challenge_window
    stage.devnet.advance(window + 1)
    stage.wait("finality", lambda: client.rollup.fetch_head() == last or None)
    story.say()
    story.say(
        f"The verdicts are in, so the demo moved the local chain's clock {window + 1} s forward,\n"
        f"over the challenge window; the sequencer finalized {last} batches."
    )


def read_by_proof(stage: Stage, client: Client, action_id: Hash32) -> None:
    """Bring the consumer a proof of one final field, and read back what it keeps."""
    document = client.prove_field(action_id, "positive")
    batch, _, _, _, _, _, word, proof = document.arguments
    consumer = stage.deployment.consumer
    if consumer is None:
        raise Fatal("the deployment has no consumer")
    element = contracts.find_abi("BallotReader", "function", "record")
    data = contracts.encode_call(element, (batch, word, proof))
    way = sender.Sender(client.chain, stage.keys[CALLERS[0]], sender.MemoryJournal())
    mined = way.send("record", contracts.Transaction(consumer, data))
    view = contracts.find_abi("BallotReader", "function", "count")
    kept = int.from_bytes(client.chain.call(consumer, contracts.encode_call(view, ())), "big")
    story.say(
        f"consumer   0x{consumer.hex()} checked the proof for {mined.gas_used:,} gas and keeps "
        f"positive = {kept} of final batch {batch}"
    )


def summarize(client: Client, posted: list[Posted]) -> str:
    """Ask the contracts what is final, call by call, and return the last line.

    Raises:
        Fatal: a receipt does not hold under its final root, or a call is not final.
    """
    head = client.rollup.fetch_head()
    record = client.inbox.fetch_batch(head)
    ended: Mapping[Outcome, int] = {Outcome.ACCEPTED: 0, Outcome.REJECTED: 0}
    counted = dict(ended)
    for batch in posted[:head]:
        for receipt in batch.receipts:
            found = client.rollup.fetch_finality(receipt.call_id, batch.batch.number)
            document = client.prove_receipt(receipt.call_id)
            if found is not Finality.FINAL or not client.check(document):
                raise Fatal(f"call {receipt.call_id} is not final with the receipt shown")
            counted[document.receipt.outcome] += 1
    final = record.first_call + record.count
    accepted, rejected = counted[Outcome.ACCEPTED], counted[Outcome.REJECTED]
    return (
        f"oyez demo: {final} calls final ({accepted} accepted, {rejected} rejected), head at {head}"
    )
