"""The first act: deploy, publish, serve and watch, call, post, compare, finalize, read.

Everything a user would do is done here the way a user does it: through the SDK, and with
`oyez serve` and `oyez watch` as processes of their own. No number is counted here that a
contract's view can answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from oyez import cell_state
from oyez.author import compiler, tokenizer
from oyez.chain import client as chain_client
from oyez.chain import contracts, deploy, sender
from oyez.chain.devnet import Devnet
from oyez.chain.keys import Key
from oyez.client import Client
from oyez.demo import enclave, fork, processes, story
from oyez.demo.calls import CALLS, ROUND
from oyez.demo.stage import AUTHOR, CALLERS, CHALLENGERS, KEEPER, SEQUENCER, Stage, read_json
from oyez.engines import exact
from oyez.engines.exact.step_rows import prove_engine
from oyez.protocol import codec, schema
from oyez.protocol.errors import Fatal
from oyez.protocol.types import Finality, Hash32, Outcome
from oyez.reader import Posted


def tell(
    root: Path, home: Path, devnet: Devnet, children: processes.Children, false_call: int
) -> str:
    """Play both acts and return the last line, for the caller to print.

    Args:
        root: the project's folder.
        home: an empty folder for the deployment file, the services' homes and logs.
        devnet: a running local chain.
        children: keeps the services; the challengers run on after the story.
        false_call: index, in the second act's batch, of the call that is lied about.
    """
    stage, action_id = raise_curtain(root, home, devnet, children)
    start_services(stage)
    send_calls(stage, action_id)
    posted = stage.wait("the batches", lambda: find_posted(stage))
    client = stage.client(AUTHOR)
    tell_calls(client, posted)
    for batch in posted:
        assertion_id = batch.assertion.assertion_id
        verdicts = stage.wait("the verdicts", partial(stage.find_verdicts, assertion_id))
        story.tell_batch(batch)
        story.tell_verdicts(verdicts)
        if not all(verdict["match"] for verdict in verdicts):
            raise Fatal("a challenger disagrees with the sequencer")
        stage.wait("the attestation", partial(enclave.find_attested, client, assertion_id))
        story.tell_attested(client.rollup.fetch_status(assertion_id))
    finalize(stage, client, len(posted))
    read_by_proof(stage, client, action_id)
    ended = fork.tell(stage, action_id, posted, false_call)
    return f"oyez demo: {summarize(client, ended.final)}, {ended.line}"


def raise_curtain(
    root: Path, home: Path, devnet: Devnet, children: processes.Children
) -> tuple[Stage, Hash32]:
    """Deploy the contracts with the model, publish the ballot, register the enclave."""
    keys = tuple(Key(bytes.fromhex(account.key[2:])) for account in devnet.accounts)
    chain = chain_client.connect(devnet.rpc, devnet.chain_id)
    story.say(f"chain      anvil, chain id {devnet.chain_id}, {devnet.rpc}")
    engine = exact.load_engine()
    story.say(f"model      SmolLM2-135M-Instruct, exact integers, root {engine.model_root.hex()}")
    with enclave.open_judges(devnet, keys[AUTHOR], keys[KEEPER]) as judges:
        settings = deploy.DeploySettings(
            sequencer=keys[SEQUENCER].address,
            models=(deploy.ListedModel(engine.model_root, engine.shape),),
            proof=prove_engine(engine),
            enclaves=judges.place.address(enclave.REGISTRY),
        )
        deployment = judges.join(deploy.deploy(chain, keys[AUTHOR], settings))
    for name, address in deployment.contracts.items():
        story.say(f"contract   {name:14} 0x{address.hex()}")
    text = (root / "examples" / "ballot.yaml").read_text(encoding="utf-8")
    compiled = compiler.compile_yaml(text, model=tokenizer.load_author_model())
    published = Client(deployment, keys[AUTHOR]).publish(compiled.data)
    story.say(
        f"action     ballot, {len(compiled.data)} bytes on chain for {published.gas_used:,} gas, "
        f"id 0x{published.action_id.hex()}"
    )
    enclave.register(deployment, home, keys[AUTHOR], engine.model_root)
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
    stage = Stage(root, home, devnet, keys, replace(deployment, consumer=consumer), children)
    stage.deployment.save(stage.file)
    return stage, published.action_id


def start_services(stage: Stage) -> None:
    """Deposit the stakes; start the sequencer and the challengers, each with its own home."""
    roles = [("sequencer", SEQUENCER, "serve")]
    roles += [(name, account, "watch") for name, account in CHALLENGERS.items()]
    stakes = {}
    for name, account, command in roles:
        stakes[name] = stage.client(account).deposit_stake()
        home = ["--home", str(stage.home / name)]
        if command == "serve":
            home += ["--enclave", str(stage.home / enclave.HOME)]
        stage.start(name, account, ("oyez", "--deployment", str(stage.file), command, *home))
    served = stage.home / "sequencer" / "serve.json"
    url = stage.wait("the sequencer", lambda: read_json(served))["url"]
    story.tell_service("sequencer", stakes["sequencer"], f"listens at {url}")
    for name in CHALLENGERS:
        stage.wait(name, lambda n=name: read_json(stage.find_judgements(n)))  # type: ignore[misc]  # a default binds the loop's variable
        story.tell_service(name, stakes[name], "knows the chain and nothing else")
    story.say("each is a process of its own, with a home, a key and a stake of its own")
    story.say()


def send_calls(stage: Stage, action_id: Hash32) -> None:
    """Send the calls in rounds; the sequencer closes a batch after each."""
    for start in range(0, len(CALLS), ROUND):
        stage.call(action_id, CALLS[start : start + ROUND])
        sent = min(start + ROUND, len(CALLS))
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


def tell_calls(client: Client, posted: Sequence[Posted]) -> None:
    """Show the calls one by one."""
    manifest = client.reader.fetch_manifest(posted[0].batch.entries[0].manifest_hash)
    names = [field.name.decode() for field in manifest.fields]
    story.tell_calls(story.follow(posted, manifest), names)
    story.say()


def finalize(stage: Stage, client: Client, last: int) -> None:
    """Move the local chain's clock over the challenge window and wait for the last batch."""
    window = client.rollup.fetch_settings().challenge_window
    stage.devnet.advance(window + 1)
    stage.wait("finality", lambda: client.rollup.fetch_head() == last or None)
    story.say()
    story.say(
        f"The verdicts are in, so the demo moved the local chain's clock {window + 1} s forward,\n"
        f"over the challenge window; {last} batches are final."
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
    """Ask the contracts what is final, call by call, and say it in a few words.

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
    return f"{final} calls final ({accepted} accepted, {rejected} rejected)"
