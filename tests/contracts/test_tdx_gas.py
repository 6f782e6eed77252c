"""Gas of judging quotes and keeping keys: whole transactions from receipts, against budgets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from oyez.attestation.submissions import split_quote
from oyez.chain import deploy
from oyez.gas.metered import METER
from oyez.protocol.types import Address, Hash32
from tests import tdx_keys, tdx_rollup, tdx_samples
from tests.contracts.harness import encode_call
from tests.devnet import Anvil
from tests.snapshots import check_snapshot
from tests.tdx_chain import CURATOR, Deployed, TdxChain, find_entry
from tests.tdx_keys import PLATFORM, WORKLOAD, new_key, register
from tests.tdx_submissions import (
    NOW,
    PCK,
    QE,
    ROOT,
    TCB,
    document,
    pck_list,
    qe,
    root_list,
    tcb,
)

MUST = {
    "verify, version 4": 220_000,
    "verify, version 5 of TD 1.5": 220_000,
    "register, by another": 260_000,
    "register, by the key": 260_000,
    "register once more": 220_000,
    "is_active, as a call": 15_000,
    "attest": 45_000,
    "attest, once more": 45_000,
    # opens a slot, which the proposal then reads
    "attest, ahead of a proposal": 65_000,
    "attest, ahead, once more": 45_000,
    # a transaction holds 2**24
    "PCK list of 300 new entries": 12_000_000,
}
QUOTES = {
    "verify, version 4": ("tdx_v4_phala_b0c06f_uptodate", "tdx_b0c06f000000_2025-06"),
    "verify, version 5 of TD 1.5": ("tdx_v5td15_google_90c06f", "tdx_90c06f000000_2026-02"),
}


@pytest.fixture(scope="module")
def chain() -> Iterator[TdxChain]:
    with Anvil(timestamp=NOW) as node:
        chain = TdxChain(node, ROOT, (WORKLOAD,))
        chain.submit_all(PLATFORM.collateral(NOW))
        yield chain


class Meter:
    """Measures calls from a contract: cold, without what a transaction costs by itself."""

    def __init__(self, chain: TdxChain) -> None:
        artifact = deploy.compile_contract(METER)
        receipt = chain.node.send(
            **{"from": chain.node.accounts[0].address},
            data="0x" + artifact.bytecode.hex(),
            gas=hex(10**7),
        )
        address = Address(bytes.fromhex(receipt["contractAddress"][2:]))
        self.chain, self.meter = chain, Deployed(address, artifact.abi)

    def measure(self, contract: Deployed, name: str, *arguments: object) -> int:
        data = encode_call(find_entry(contract.abi, name), *arguments)
        receipt = self.chain.send(self.meter, "measure", contract.address, data)
        (log,) = receipt["logs"]
        return int(log["data"][:66], 16)


def spent(receipt: dict[str, str]) -> int:
    return int(receipt["gasUsed"], 16)


def see_real_quotes(gas: dict[str, int]) -> None:
    """Verify real quotes of Intel's platforms, each as a transaction of its own."""
    for name, (quote, collateral) in QUOTES.items():
        with Anvil(timestamp=tdx_samples.about(collateral)["suggested_now"]) as node:
            chain = TdxChain(node)
            chain.submit_all(tdx_samples.collateral(collateral))
            parts = split_quote(tdx_samples.raw(quote))
            arguments = (parts.quote, parts.certificate, parts.signature)
            gas[name] = spent(chain.send(chain.registry, "verify", *arguments))
            if name == "verify, version 4":
                for step, costs in chain.collateral.gas.items():
                    for number, cost in enumerate(costs, 1):
                        gas[f"{step} {number}, Intel's first"] = cost
                gas["constructor of the registry"] = chain.registry.gas["constructor"][0]


def see_keys(chain: TdxChain, gas: dict[str, int]) -> None:
    key, meter, registry = new_key("gas"), Meter(chain), chain.registry
    gas["register, by another"] = spent(register(chain, key.request(chain)))
    own = tdx_keys.EnclaveKey(bytes.fromhex(chain.node.accounts[3].key[2:]))
    request = own.request(chain)
    bare = tdx_keys.Request(request.quote, request.signer, request.ref_block, b"")
    gas["register, by the key"] = spent(register(chain, bare, who=3))
    chain.node.mine()
    receipt = register(chain, key.request(chain))
    gas["register once more"] = spent(receipt)
    for name, arguments in (
        ("is_active", (key.address,)),
        ("application", (key.address,)),
        ("enclave", (key.address,)),
        ("is_simulated", ()),
        ("allowed_from", (WORKLOAD,)),
        ("collateral", ()),
    ):
        gas[f"{name}, as a call"] = meter.measure(registry, name, *arguments)
    evidence = tdx_keys.evidence_of(chain, receipt)
    chain.send(registry, "announce_workload", b"\5" * 32, who=CURATOR)
    chain.send(registry, "withdraw_workload", b"\5" * 32, who=CURATOR)
    for name in ("announce_workload", "withdraw_workload"):
        gas[name] = registry.gas[name][0]
    chain.submit(pck_list(1, PCK.serial))
    gas["prune"] = spent(chain.send(registry, "prune", key.address, evidence))


def see_attestations(chain: TdxChain, gas: dict[str, int]) -> None:
    """Bring a key's signature of an assertion, first and again; the key is none of the chain's."""
    key, rollup = new_key("attests"), tdx_rollup.deploy_rollup(chain)
    register(chain, key.request(chain))
    attest = tdx_rollup.build_attest(rollup, key)
    gas["attest"] = tdx_rollup.send(chain, attest)
    gas["attest, once more"] = tdx_rollup.send(chain, attest)
    registry = chain.registry.address
    needing = tdx_rollup.deploy_over(chain.node, registry, needs_enclave=True)
    attest = tdx_rollup.build_attest(needing, key, Hash32(b"\7" * 32))  # proposed by nobody yet
    gas["attest, ahead of a proposal"] = tdx_rollup.send(chain, attest)
    gas["attest, ahead, once more"] = tdx_rollup.send(chain, attest)


def see_upkeep(chain: TdxChain, gas: dict[str, int]) -> None:
    """What replaces what is there already."""
    for name, submission in (
        ("root's list", root_list()),
        ("PCK list of nothing new", pck_list(1, PCK.serial, at=NOW - 50)),
        ("TCB info", document(TCB, tcb())),
        ("QE identity", document(QE, qe())),
    ):
        gas[f"{name}, newer"] = spent(chain.submit(submission))


def see_the_longest_list(chain: TdxChain, gas: dict[str, int]) -> None:
    """A list of as many entries as may be, each of them new, of 20 bytes."""
    serials = range((1 << 159) - 1, (1 << 159) - 301, -1)
    gas["PCK list of 300 new entries"] = spent(chain.submit(pck_list(*serials, at=NOW - 40)))


def test_quotes_and_keys_stay_within_their_budgets(chain: TdxChain) -> None:
    """Rule: ATTEST-16, ATTEST-28, ATTEST-30, ROLLUP-26, ROLLUP-28"""
    gas: dict[str, int] = {}
    see_real_quotes(gas)
    see_attestations(chain, gas)
    see_keys(chain, gas)
    see_upkeep(chain, gas)
    see_the_longest_list(chain, gas)
    over = {name: gas[name] for name, most in MUST.items() if gas[name] > most}
    assert over == {}
    # signatures and hashes differ in their zero bytes, 12 gas each
    check_snapshot("tdx_gas", gas, tolerance=0.02)
