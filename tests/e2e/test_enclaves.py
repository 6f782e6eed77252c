"""`oyez enclave` on a local chain: register, list, verify, revoke; the key signs what it should."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from oyez.attestation import archive
from oyez.attestation.audit import judge_evidence
from oyez.attestation.collateral import parse_collateral
from oyez.attestation.engine_build import compute_engine_build
from oyez.attestation.simulated_agent import Agent, AgentServer
from oyez.attestation.simulated_certificates import issue_list
from oyez.attestation.simulated_documents import written
from oyez.attestation.submissions import list_submissions
from oyez.chain import client, deploy
from oyez.chain.contracts import ModelRegistry, Transaction, encode_call
from oyez.chain.enclave_deploy import DAY
from oyez.protocol import enclaves
from oyez.protocol.errors import Invalid
from oyez.protocol.types import Address, Hash32
from tests.enclave_world import (
    CURATOR,
    DELAY,
    NOWHERE,
    PLATFORM,
    WORKLOAD,
    Shell,
    build_registration,
    read_signer,
)
from tests.services import Lines
from tests.tdx_chain import find_entry
from tests.tdx_keys import new_key


def test_a_key_is_registered_listed_and_verified(shell: Shell) -> None:
    """Rule: ENCLAVE-5, ENCLAVE-12, ENCLAVE-13"""
    assert shell("list", code=1)["enclaves"] == []
    made = shell("register")
    world = shell.world
    model = ModelRegistry(world.rollup.chain, world.rollup.deployment).fetch_model(0)
    application = enclaves.compute_application(compute_engine_build(), model.root)
    assert made["application"] == "0x" + application.hex()
    assert made["engine_build"] == "0x" + compute_engine_build().hex()
    assert made["model_root"] == "0x" + model.root.hex()
    assert made["workload"] == "0x" + WORKLOAD.hex()
    assert made["gas_used"] < 260_000
    assert world.registry.fetch_enclave(read_signer(made)).is_active
    (row,) = shell("list")["enclaves"]
    assert (row["signer"], row["active"], row["status"]) == (made["signer"], True, "active")
    assert row["transaction"] == made["transaction"]
    found = shell("verify", made["signer"])
    assert (found["match"], found["active"], found["reason"]) == (True, True, None)
    assert found["dcap_qvl"] == "UpToDate"
    assert found["simulated"] is True
    assert (found["this_checkout"], found["model_index"]) == (True, 0)
    assert found["engine_build"] == made["engine_build"]
    report = world.agent.report
    assert found["measurements"]["mr_config_id"] == report.mr_config_id.hex()
    assert found["measurements"]["rt_mr3"] == report.rt_mr3.hex()
    assert found["measurements"]["mr_td"] == report.mr_td.hex()
    text = shell.text("verify", made["signer"])
    for words in ("the evidence holds", "SIMULATED", "this checkout's", report.mr_td.hex()):
        assert words in text
    assert "active until" in shell.text("list")
    # again: the same key, a later quote
    again = shell("register")
    assert again["signer"] == made["signer"]
    assert again["ref_block"] > made["ref_block"]
    assert len(shell("list", "--active")["enclaves"]) == 1
    assert shell("verify", made["signer"])["transaction"] == again["transaction"]


def test_answers_are_the_same_without_dcap_qvl(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule: ENCLAVE-13"""
    made = shell("register")
    found = shell("verify", made["signer"])
    monkeypatch.setitem(sys.modules, "dcap_qvl", None)
    with pytest.raises(ImportError):
        importlib.import_module("dcap_qvl")
    assert shell("verify", made["signer"]) == found | {"dcap_qvl": None}
    assert "dcap-qvl: not importable" in shell.text("verify", made["signer"])
    monkeypatch.setitem(sys.modules, "dcap_qvl", ModuleType("dcap_qvl"))  # a broken one
    broken = shell("verify", made["signer"])
    assert broken["dcap_qvl"].startswith("error: module 'dcap_qvl' has no attribute")
    assert broken | {"dcap_qvl": found["dcap_qvl"]} == found


def test_evidence_that_is_not_what_was_registered_does_not_match(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule: ENCLAVE-13"""
    made = shell("register")
    original = archive.fetch_input
    other = PLATFORM.quote(bytes(64))
    lies: list[Callable[[bytes], bytes]] = [bytes]

    def lying(contract: Any, function: str, transaction: Any, place: int) -> tuple[Any, ...]:
        values = original(contract, function, transaction, place)
        if function == "register":
            return (lies[-1](values[0]), *values[1:])
        return values

    monkeypatch.setattr(archive, "fetch_input", lying)
    assert shell("verify", made["signer"])["match"] is True
    lies.append(lambda head: other[: len(head)])
    found = shell("verify", made["signer"], code=1)
    assert (found["match"], found["measurements"]) == (False, None)
    assert found["reason"].startswith("the quote binds another key or application")
    lies.append(lambda head: head[:200] + bytes((head[200] ^ 1,)) + head[201:])
    found = shell("verify", made["signer"], code=1)
    assert "not signed by its attestation key" in found["reason"]
    assert found["dcap_qvl"].startswith("error")
    assert "does not hold" in shell.text("verify", made["signer"], code=1)


def test_what_the_chain_took_in_an_odd_encoding_is_read_too(shell: Shell) -> None:
    """Rule: ENCLAVE-13"""
    node, chain = shell.world.rollup.anvil, shell.world.rollup.chain
    mark = node.snapshot()
    made = shell("register")
    sent = chain.request("eth_getTransactionByHash", made["transaction"])
    node.restore(mark)
    data = bytearray.fromhex(sent["input"][2:])
    at = 4 + int.from_bytes(data[4:36])
    size = int.from_bytes(data[at : at + 32])
    assert size % 32 > 0
    data[at + 32 + size] = 7  # behind the quote, in the word that it ends in
    data += b"nothing"
    receipt = node.send(
        **{"from": node.accounts[7].address}, to=sent["to"], data="0x" + data.hex(), gas="0xf42400"
    )
    assert receipt["status"] == "0x1"
    found = shell("verify", made["signer"])
    assert (found["match"], found["active"], found["dcap_qvl"]) == (True, True, "UpToDate")


FORWARDER = "tests/contracts/Forwarder.vy"
#: Creates a contract of nine bytes that calls itself as deep as the gas reaches.
DIVER = "0x685f5f5f5f5f305af1005f5260096017f3"


class Stranger:
    """Has a contract of its own that calls others, several in one transaction."""

    def __init__(self, shell: Shell) -> None:
        self.node, self.chain = shell.world.rollup.anvil, shell.world.rollup.chain
        self.artifact = deploy.compile_contract(FORWARDER)
        self.address = self._create("0x" + self.artifact.bytecode.hex())
        self.dive = self._create(DIVER), b""

    def _create(self, code: str) -> Address:
        return Address(bytes.fromhex(self._send(data=code)["contractAddress"][2:]))

    def _send(self, **fields: str) -> dict[str, Any]:
        sender = self.node.accounts[7].address
        receipt = self.node.send(**{"from": sender}, gas=hex(1 << 24), **fields)
        assert receipt["status"] == "0x1"
        return receipt

    def encode(self, name: str, *arguments: Any) -> tuple[Address, bytes]:
        return self.address, encode_call(find_entry(self.artifact.abi, name), arguments)

    def undone(self, call: Transaction) -> tuple[Address, bytes]:
        return self.encode("undo", call.to, call.data)

    def forward(self, *calls: tuple[Address | None, bytes] | Transaction) -> dict[str, Any]:
        pairs = [(one.to, one.data) if isinstance(one, Transaction) else one for one in calls]
        to, data = self.encode("forward", pairs)
        return self._send(to="0x" + to.hex(), data="0x" + data.hex())


def build_parts(shell: Shell, text: str) -> list[Transaction]:
    """Return what submits each part of a collateral."""
    kept = shell.world.kept
    return [
        kept.build(one.name, *one.arguments) for one in list_submissions(parse_collateral(text))
    ]


def test_what_came_through_another_contract_is_read_from_the_nodes_trace(shell: Shell) -> None:
    """Two in one transaction beside one undone, one refused, and calls as deep as gas reaches.

    Rule: ENCLAVE-13
    """
    world = shell.world
    world.rollup.anvil.advance(DAY)
    stranger, now = Stranger(shell), world.now
    first, second, third = (build_parts(shell, PLATFORM.collateral(now - ago)) for ago in (9, 8, 7))
    undone = build_parts(shell, PLATFORM.collateral(now - 10))
    # the root's list, the PCK's list, TCB info, QE identity: all four newer by seconds
    for place in (0, 3, 4, 5):
        refused = Transaction(first[place].to, first[place].data[:-64] + bytes(64))
        receipt = stranger.forward(
            stranger.dive,
            refused,
            stranger.undone(undone[place]),
            stranger.encode("forward", [(first[place].to, first[place].data)]),
            first[place],  # not newer
            second[place],
        )
        stored = [
            log for log in receipt["logs"] if log["address"] == "0x" + world.kept.address.hex()
        ]
        assert len(stored) == 2, place
    made = shell("register")
    for place in (0, 3, 4, 5):
        stranger.forward(third[place])  # later than the key
    found = shell("verify", made["signer"])
    assert (found["match"], found["active"], found["dcap_qvl"]) == (True, True, "UpToDate")
    rollup = world.rollup
    (one,) = world.registry.fetch_registered(0, rollup.chain.fetch_block().number)
    given = json.loads(archive.Archive(rollup.chain, rollup.deployment).read(one).collateral)
    expected = json.loads(PLATFORM.collateral(now - 8))
    names = ("root_ca_crl", "pck_crl", "tcb_info", "qe_identity")
    assert {name: given[name] for name in names} == {name: expected[name] for name in names}


def test_keys_registered_through_another_contract_each_have_their_own_quote(shell: Shell) -> None:
    """Rule: ENCLAVE-13"""
    world, stranger = shell.world, Stranger(shell)
    keys = [new_key(name) for name in ("first", "second", "third")]
    undone, *taken = (build_registration(world, key) for key in keys)
    stranger.forward(stranger.undone(undone), *taken)
    for key in keys[1:]:
        found = shell("verify", "0x" + key.address.hex())
        assert (found["match"], found["active"], found["dcap_qvl"]) == (True, True, "UpToDate")
    assert "never registered" in shell.error("verify", "0x" + keys[0].address.hex())


def test_a_node_without_traces_is_told_where_one_is_needed(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule: ENCLAVE-13"""
    world, stranger = shell.world, Stranger(shell)
    key = new_key("forwarded")
    stranger.forward(build_registration(world, key))
    made = shell("register")
    original = client.Chain.request
    answers: list[Any] = []

    def asked(self: client.Chain, method: str, *params: Any) -> Any:
        if method != "debug_traceTransaction":
            return original(self, method, *params)
        if isinstance(answers[-1], Exception):
            raise answers[-1]
        return answers[-1]

    monkeypatch.setattr(client.Chain, "request", asked)
    signer = "0x" + key.address.hex()
    answers.append(client.RpcError("debug_traceTransaction", -32601, "method not found"))
    said = shell.error("verify", signer, code=3)
    assert "archive node with the debug API (debug_traceTransaction)" in said
    assert "(method not found)" in said
    for damaged in (
        None,
        [],
        {},
        {"type": "CALL", "input": "0x1"},
        {"type": "CREATE", "calls": [5]},
    ):
        answers.append(damaged)
        assert "damaged transaction" in shell.error("verify", signer, code=3)
    # what was sent to the contract itself needs no trace
    assert shell("verify", made["signer"])["match"] is True


def test_evidence_is_judged_by_the_collateral_of_its_time(shell: Shell) -> None:
    """Rule: ENCLAVE-13"""
    world = shell.world
    world.rollup.anvil.advance(31 * DAY)  # what the chain had first has ended
    world.keep()
    made = shell("register")
    world.rollup.anvil.advance(DAY)
    info = PLATFORM.tcb_info(world.now + DAY) | {"tcbEvaluationDataNumber": 19}

    class Given:
        def fetch(self, now: int) -> list[str]:
            return [PLATFORM.collateral(now, tcb_info=written(info))]

    log: Lines = world.keep(Given())
    assert [facts["why"] for facts in log.named("kept")] == ["news"]  # issued after the key was
    found = shell("verify", made["signer"])
    assert (found["match"], found["active"], found["dcap_qvl"]) == (True, True, "UpToDate")


def test_a_log_that_says_otherwise_than_the_quote_does_not_match(shell: Shell) -> None:
    """Rule: ENCLAVE-13"""
    shell("register")
    rollup, registry = shell.world.rollup, shell.world.registry
    chain, place = rollup.chain, rollup.deployment
    (one,) = registry.fetch_registered(place.deployment_block, chain.fetch_block().number)
    evidence = archive.Archive(chain, place).read(one)
    judge_evidence(chain, registry.address, one, evidence)
    other = Hash32(b"\1" * 32)
    for what, changed in (
        ("another workload", replace(one, workload=other)),
        ("another key or application", replace(one, application=other)),
        ("another key or application", replace(one, signer=Address(b"\1" * 20))),
        ("another key or application", replace(one, ref_block=one.ref_block - 1)),
    ):
        with pytest.raises(Invalid, match=what):
            judge_evidence(chain, registry.address, changed, evidence)
    with pytest.raises(Invalid, match="another key or application"):
        judge_evidence(chain, Address(b"\1" * 20), one, evidence)


def test_another_build_is_named_when_it_is_given(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule: ENCLAVE-4, ENCLAVE-13"""
    foreign = b"\7" * 32
    engine_build = sys.modules["oyez.attestation.engine_build"]
    with monkeypatch.context() as patched:
        patched.setattr(engine_build, "compute_engine_build", lambda: foreign)
        made = shell("register")
    found = shell("verify", made["signer"])
    assert (found["engine_build"], found["this_checkout"]) == (None, False)
    assert (found["model_index"], found["match"]) == (None, True)
    assert "of no build and model known here" in shell.text("verify", made["signer"])
    given = shell("verify", made["signer"], "--engine-build", "0x" + foreign.hex())
    assert (given["engine_build"], given["this_checkout"]) == ("0x" + foreign.hex(), False)


def test_a_workload_is_announced_and_withdrawn_by_the_curator(shell: Shell) -> None:
    """Rule: ENCLAVE-12"""
    agent = Agent(PLATFORM, "services: {other: {}}")
    with AgentServer(agent, device=NOWHERE) as server:
        at = ("--agent", server.endpoint)
        own = shell("workload", *at)
        assert own["allowed_from"] == 0
        assert own["measurements"]["mr_config_id"] == agent.report.mr_config_id.hex()
        assert f"oyez enclave allow {own['workload']}" in shell.error("register", *at)
        assert "curator" in shell.error("allow", own["workload"])
        shell.use(CURATOR)
        since = shell("allow", own["workload"])["allowed_from"]
        assert since == shell.world.now + DELAY
        assert "allowed from" in shell.error("register", *at)
        shell.world.rollup.anvil.advance(DELAY)
        made = shell("register", *at)
        assert shell("workload", *at)["allowed_from"] == since
        shell("forbid", own["workload"])
        assert "not on the registry's list" in shell.text("workload", *at)
        found = shell("verify", made["signer"])
        assert (found["active"], found["allowed_from"]) == (True, 0)
        assert shell("revoke", made["signer"])["active"] is False
        assert shell("verify", made["signer"], code=1)["match"] is True
        (row,) = shell("list")["enclaves"]
        assert (row["status"], row["active"]) == ("pruned", False)
        assert shell("list", "--active", code=1)["enclaves"] == []


def test_a_key_that_holds_is_not_revoked_and_one_whose_machine_is_revoked_is(
    shell: Shell,
) -> None:
    """Rule: ENCLAVE-12"""
    made = shell("register")
    assert "key still holds" in shell.error("revoke", made["signer"])
    assert "was never registered" in shell.error("revoke", "0x" + "11" * 20)
    assert "no address" in shell.error("verify", "0x12")
    world = shell.world
    world.rollup.anvil.advance(60)
    form = PLATFORM.pck_list_form(world.now + DAY, [PLATFORM.pck_form.serial])
    revoked = issue_list(form, PLATFORM.key("ca"))

    class Given:
        def fetch(self, now: int) -> list[str]:
            return [PLATFORM.collateral(now, pck_list=revoked)]

    log: Lines = world.keep(Given())
    assert [facts["why"] for facts in log.named("kept")] == ["news"]
    assert shell("verify", made["signer"], code=1)["active"] is False
    assert shell("revoke", made["signer"])["active"] is False
    assert "pck revoked" in shell.error("register")


def test_without_collateral_or_after_its_end_no_key_is_registered(shell: Shell) -> None:
    """Rule: ENCLAVE-12"""
    shell.world.rollup.anvil.advance(40 * DAY)
    assert "expired" in shell.error("register")
    shell.world.keep()
    made = shell("register")
    shell.world.rollup.anvil.advance(8 * DAY)
    (row,) = shell("list")["enclaves"]
    assert (row["signer"], row["status"]) == (made["signer"], "ended")
