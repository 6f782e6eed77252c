"""What stands around enclaves: keys that sign, quotes that bind them, services, builds, roots."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from oyez import cli
from oyez.attestation import archive
from oyez.attestation.certificates import parse_certificate
from oyez.attestation.enclave import build_domain, open_signer, request_registration, resume
from oyez.attestation.guest import DstackGuest
from oyez.attestation.intel_root import INTEL_ROOT_CERTIFICATE
from oyez.attestation.quote import parse_quote
from oyez.attestation.signer import Statement
from oyez.attestation.simulated import SimulatedPlatform
from oyez.attestation.simulated_quote import compute_config_id
from oyez.attestation.slices import join_quote
from oyez.chain.enclave_deploy import DAY, EnclaveSettings, deploy_enclaves
from oyez.chain.tdx import TdxRegistry
from oyez.derivation import history
from oyez.protocol.errors import Fatal, Invalid
from oyez.protocol.types import BatchNumber, Hash32
from tests.enclave_world import (
    PLATFORM,
    WORKLOAD,
    Shell,
    read_signer,
)
from tests.local_rollup import build_counter
from tests.processes import ROOT


def test_the_registered_key_signs_for_the_sequencer(shell: Shell) -> None:
    """Rule: ENCLAVE-6, ENCLAVE-7, ENCLAVE-8"""
    made = shell("register", "--seal", str(shell.home / "memory" / "seal"))
    assert (shell.home / "memory" / "seal").exists()
    assert not (shell.home / "enclave" / "seal").exists()
    rollup = shell.world.rollup
    domain = build_domain(rollup.chain, rollup.deployment)
    client = rollup.client(1)
    action = client.publish(build_counter()).action_id
    client.call(action, b"one")
    rollup.close_batch()
    (batch,) = history.fetch_history(rollup.chain, rollup.deployment).batches
    (result,) = rollup.derive()
    statement = Statement(
        rollup.sequencer.reader.genesis_id, 0, BatchNumber(1), batch.batch_hash, result.claim
    )
    home, seal = shell.home / "enclave", shell.home / "memory" / "seal"
    with open_signer(home, seal, domain) as signer:
        assert signer.address == read_signer(made)
        with pytest.raises(Fatal, match="another oyez process"), open_signer(home, seal, domain):
            raise AssertionError
        assert resume(signer, rollup.chain, rollup.deployment) == 0
        signature = signer.sign(statement)
    (posted,) = rollup.propose()
    assert statement.compute_id(domain) == posted
    with open_signer(home, seal, domain) as signer:
        assert resume(signer, rollup.chain, rollup.deployment) == 1
        assert signer.sign(statement) == signature


def test_a_quote_for_another_key_or_block_is_refused_on_chain(shell: Shell) -> None:
    """Rule: ENCLAVE-5"""
    world = shell.world
    rollup = world.rollup
    domain = build_domain(rollup.chain, rollup.deployment)

    class OldChain:
        """Names another block's hash."""

        chain_id = rollup.chain.chain_id

        def fetch_block(self, at: Any = "latest") -> Any:
            return replace(rollup.chain.fetch_block(at), hash=b"\1" * 32)

    with open_signer(shell.home / "enclave", None, domain) as signer:
        guest, application = DstackGuest(world.endpoint), Hash32(b"\2" * 32)
        made = request_registration(OldChain(), world.registry, guest, signer, application)  # type: ignore[arg-type]  # a chain that lies
        with pytest.raises(Invalid, match="quote for another key"):
            rollup.act(5, made.transaction)
        made = request_registration(rollup.chain, world.registry, guest, signer, application)  # type: ignore[arg-type]  # 32 bytes
        rollup.act(5, made.transaction)
        with pytest.raises(Invalid, match="not newer"):
            rollup.act(5, made.transaction)


def test_a_quote_is_joined_as_it_was_cut() -> None:
    """Rule: ENCLAVE-13"""
    for version, td15 in ((4, False), (5, False), (5, True)):
        quote = PLATFORM.quote(bytes(64), version=version, td15=td15)
        start = quote.index(b"-----BEGIN")
        assert join_quote(quote[:start], quote[start:]) == quote
        shorter = join_quote(quote[:start], quote[start:-1])
        assert len(shorter) == len(quote) - 1
        assert parse_quote(shorter) == parse_quote(quote)


def test_keep_once_brings_the_collateral_and_says_what_it_did(shell: Shell) -> None:
    """Rule: ENCLAVE-10, ENCLAVE-11"""
    shell.world.rollup.anvil.advance(25 * DAY)
    arguments = ["enclave", "keep", "--collateral", "simulated", "--once"]
    result = CliRunner().invoke(cli.main, arguments)
    assert result.exit_code == 0, result.stderr
    assert 'kept what="PCK list" why=expiring' in result.stderr
    assert result.stderr.count("kept ") == 3
    said = [line.partition(", gas")[0] for line in result.stdout.splitlines()]
    names = ("PCK list", "TCB info 51d051d051d0", "QE identity")
    assert said == [f"kept: {name} (expiring)" for name in names]
    again = CliRunner().invoke(cli.main, arguments)
    assert "kept " not in again.stderr
    assert (again.exit_code, again.stdout) == (0, "nothing that the chain lacks\n")
    assert (shell.home / "keeper" / "keeper.db").exists()
    later = CliRunner().invoke(cli.main, [*arguments, "--margin", str(60 * DAY)])
    assert later.stderr.count("kept ") == 0  # nothing that lasts longer is to be had
    assert "12 hex digits" in shell.error("keep", "--collateral", "http://x", "--fmspc", "51d0")
    assert "--fmspc" in shell.error("keep", "--collateral", "http://127.0.0.1:9", code=4)


def test_keep_once_says_in_json_what_was_kept_refused_or_no_collateral(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule: ENCLAVE-11, CLI-1"""
    world = shell.world
    world.rollup.anvil.advance(25 * DAY)
    once = ("keep", "--once", "--collateral")
    usual = PLATFORM.collateral(world.now)
    given = tmp_path / "given"
    given.mkdir()
    (given / "a.json").write_text(json.dumps(json.loads(usual) | {"tcb_info_signature": "11" * 64}))
    found = shell(*once, str(given), code=1)
    assert found["collateral"] == "0x" + world.kept.address.hex()
    assert [one["what"] for one in found["kept"]] == ["PCK list", "QE identity"]
    refused = {"what": "TCB info 51d051d051d0", "reason": "collateral: not signed"}
    assert (found["refused"], found["unusable"]) == ([refused], [])
    (given / "b.json").write_text(usual)  # the same, and signed: the other is lacking no more
    found = shell(*once, str(given))
    (kept,) = found["kept"]
    assert (kept["what"], kept["why"]) == ("TCB info 51d051d051d0", "expiring")
    receipt = world.rollup.chain.find_mined(bytes.fromhex(kept["transaction"][2:]))
    assert receipt is not None
    assert (kept["block"], kept["gas_used"]) == (receipt.block, receipt.gas_used)
    assert found["refused"] == []
    assert shell(*once, str(given)) == found | {"kept": []}
    (given / "c.json").write_text("{}")
    (reason,) = shell(*once, str(given), code=1)["unusable"]
    assert "not the nine members" in reason
    text = shell.text(*once, str(given), code=1)
    assert text == f"unusable: {reason}\n"
    monkeypatch.chdir(given)
    assert "no collateral is named" in shell.error(*once, "")


def test_a_deployment_without_enclaves_says_so(shell: Shell) -> None:
    """Rule: ENCLAVE-12"""
    found = json.loads(shell.file.read_text())
    found["contracts"] = {
        name: at for name, at in found["contracts"].items() if not name.startswith("Tdx")
    }
    shell.file.write_text(json.dumps(found))
    assert "deployed without enclaves" in shell.error("list", code=4)


def test_the_simulated_guest_is_served_until_it_is_stopped(tmp_path: Path) -> None:
    """Rule: ENCLAVE-2"""
    path = tmp_path / "agent.sock"
    (tmp_path / "compose.yaml").write_text("services: {}")
    command = [sys.executable, "-m", "oyez.cli", "enclave", "simulate", "--json"]
    command += ["--socket", str(path), "--compose", str(tmp_path / "compose.yaml")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline()) == {"endpoint": str(path)}
        quote = DstackGuest(str(path)).fetch_quote(bytes(range(64)))
        assert parse_quote(quote).report.mr_config_id == compute_config_id("services: {}")
        process.terminate()
        assert process.wait(20) == 0
    assert not path.exists()


def test_intels_build_is_under_intels_root_and_an_unknown_root_is_told(shell: Shell) -> None:
    """Rule: ENCLAVE-13"""
    rollup = shell.world.rollup
    real = deploy_enclaves(rollup.chain, rollup.keys[0], EnclaveSettings())
    place = replace(rollup.deployment, contracts=real)
    registry = TdxRegistry(rollup.chain, place)
    assert (registry.name, registry.is_simulated) == ("TdxRegistryIntel", False)
    assert registry.read("is_simulated") is False
    assert archive.Archive(rollup.chain, place).root == INTEL_ROOT_CERTIFICATE
    digest = hashlib.sha256(INTEL_ROOT_CERTIFICATE).hexdigest()
    assert digest == "44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3"
    foreign = parse_certificate(SimulatedPlatform(b"another seed").root)
    made = deploy_enclaves(rollup.chain, rollup.keys[0], EnclaveSettings(root=foreign))
    with pytest.raises(Fatal, match="neither Intel's nor"):
        archive.Archive(rollup.chain, replace(rollup.deployment, contracts=made))


def test_a_quote_names_a_block_that_no_usual_reorg_removes(shell: Shell) -> None:
    """Rule: ENCLAVE-5, ENCLAVE-12"""
    rollup, world = shell.world.rollup, shell.world
    rollup.anvil.mine(20)
    newest = rollup.chain.fetch_block().number

    class Production:
        chain_id = 1
        fetch_block = rollup.chain.fetch_block

    domain = build_domain(rollup.chain, rollup.deployment)
    with open_signer(shell.home / "enclave", None, domain) as signer:
        for chain, ref_block in ((Production(), newest - 8), (rollup.chain, newest - 1)):
            made = request_registration(
                chain, world.registry, DstackGuest(world.endpoint), signer, Hash32(b"\2" * 32)
            )  # type: ignore[arg-type]  # one of them is no Chain
            assert made.ref_block == ref_block
            assert made.workload == WORKLOAD
