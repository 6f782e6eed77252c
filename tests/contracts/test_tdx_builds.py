"""Two builds over the same modules: Intel's, and a simulated one for local chains alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from oyez.attestation.certificates import INTEL_ROOT, parse_certificate
from oyez.attestation.collateral import parse_collateral
from oyez.attestation.simulated import SimulatedPlatform
from oyez.attestation.submissions import list_submissions
from oyez.chain.client import Reverted
from tests import tdx_samples
from tests.devnet import Anvil
from tests.tdx_chain import DELAY, LIFETIME, TdxChain, encode_root

NOW = 1_760_000_000
PLATFORM = SimulatedPlatform()
ROOT = parse_certificate(PLATFORM.root)
INTEL = parse_collateral(tdx_samples.collateral("tdx_b0c06f000000_2025-06")).issuers[1]
#: A contract that answers 32 bytes of value 1 to everything.
YES = "0x600160005260206000f3"
P256 = "0x" + "0" * 37 + "100"


class OtherAnvil(Anvil):
    """A node of other rules than Osaka's."""

    rules: tuple[str, ...] = ("--hardfork", "prague")

    def _build_command(self, config: Path) -> list[str]:
        command = super()._build_command(config)
        at = command.index("--hardfork")
        return [*command[:at], *self.rules, *command[at + 3 :]]


class Optimism(OtherAnvil):
    """A node whose precompile is RIP-7212's."""

    rules = ("--optimism",)


@pytest.fixture(scope="module")
def mainnet() -> Iterator[Anvil]:
    with Anvil(chain_id=1, timestamp=NOW) as node:
        yield node


def refused(reason: str, node: Anvil, name: str, *arguments: object) -> None:
    with pytest.raises(Reverted) as refusal:
        TdxChain.deploy(at(node), name, *arguments)
    assert refusal.value.reason == reason


def at(node: Anvil) -> TdxChain:
    """A handle on a node, with nothing deployed."""
    chain = object.__new__(TdxChain)
    chain.attach(node)
    return chain


def test_intels_build_takes_no_root_and_has_its_own(mainnet: Anvil) -> None:
    """Rule: ATTEST-25"""
    chain = TdxChain(mainnet)
    assert chain.read(chain.collateral, "root") == (INTEL_ROOT[:32], INTEL_ROOT[32:])
    assert INTEL.key == INTEL_ROOT
    for contract in (chain.collateral, chain.registry):
        assert chain.read(contract, "is_simulated") is False
        for entry in contract.abi:
            if entry["type"] == "constructor":
                assert "root" not in {one["name"] for one in entry["inputs"]}


def test_the_simulated_build_lives_on_local_chains_alone(mainnet: Anvil) -> None:
    """Rule: ATTEST-25"""
    none = "collateral: no local chain"
    refused(none, mainnet, "TdxCollateralSim", encode_root(ROOT))
    intel = TdxChain(mainnet)
    rest = (LIFETIME, bytes(20), DELAY, [])
    refused(
        "enclaves: no local chain",
        mainnet,
        "TdxRegistrySim",
        intel.collateral.address,
        *rest,
    )
    with Anvil(chain_id=1_337, timestamp=NOW) as node:
        chain = TdxChain(node, ROOT)
        assert chain.read(chain.collateral, "is_simulated") is True
        assert chain.read(chain.registry, "is_simulated") is True
        as_intel = "collateral: simulated as intel"
        refused(as_intel, node, "TdxCollateralSim", encode_root(INTEL))
        name, x, y = encode_root(INTEL)
        own = encode_root(ROOT)
        refused(as_intel, node, "TdxCollateralSim", (name, own[1], own[2]))
        refused(as_intel, node, "TdxCollateralSim", (own[0], x, y))
        intel = TdxChain(node)
        refused(
            "enclaves: not under intel", node, "TdxRegistryIntel", chain.collateral.address, *rest
        )
        refused(
            "enclaves: real collateral", node, "TdxRegistrySim", intel.collateral.address, *rest
        )


def test_nothing_simulated_passes_intels_build(mainnet: Anvil) -> None:
    """Rule: ATTEST-25, ATTEST-6"""
    chain = TdxChain(mainnet)
    now = chain.now
    first, ca, signer, pck, *documents = list_submissions(
        parse_collateral(PLATFORM.collateral(now))
    )
    for submission, reason in (
        (first, "issuers: unknown"),
        (ca, "issuers: not issued by the root"),
        (signer, "issuers: not issued by the root"),
        (pck, "issuers: unknown"),
        *((document, "issuers: unknown") for document in documents),
    ):
        assert chain.why(chain.submit, submission) == reason
    assert chain.why(chain.verify, PLATFORM.quote(bytes(64))) == "tdx: unknown issuer"


def test_nothing_real_passes_the_simulated_build() -> None:
    """Rule: ATTEST-25, ATTEST-6"""
    name = "tdx_b0c06f000000_2025-06"
    with Anvil(timestamp=tdx_samples.about(name)["suggested_now"]) as node:
        chain = TdxChain(node, ROOT)
        chain.submit_all(PLATFORM.collateral(chain.now))
        for submission in list_submissions(parse_collateral(tdx_samples.collateral(name))):
            assert chain.why(chain.submit, submission) in (
                "issuers: unknown",
                "issuers: not issued by the root",
            )
        raw = tdx_samples.raw("tdx_v4_phala_b0c06f_uptodate")
        assert chain.why(chain.verify, raw) == "tdx: unknown issuer"


def test_a_chain_without_the_precompile_is_refused() -> None:
    """Rule: ATTEST-18"""
    missing, false = "p256: no precompile", "p256: accepts a false signature"
    with OtherAnvil(timestamp=NOW) as node:
        refused(missing, node, "TdxCollateralIntel")
        refused(missing, node, "TdxCollateralSim", encode_root(ROOT))
        node.request("anvil_setCode", P256, YES)
        refused(false, node, "TdxCollateralIntel")
        refused(false, node, "TdxCollateralSim", encode_root(ROOT))


def test_without_the_precompile_nothing_is_verified() -> None:
    """Rule: ATTEST-18"""
    with Anvil(timestamp=NOW) as node:
        chain = TdxChain(node)
        first = next(iter(list_submissions(parse_collateral(PLATFORM.collateral(NOW)))))
        simulated = TdxChain(node, ROOT)
        assert simulated.why(simulated.submit, first) is None
        place = "0x" + simulated.collateral.address.hex()
        code = chain.chain.fetch_code(simulated.collateral.address)
        with OtherAnvil(timestamp=NOW) as other:
            other.request("anvil_setCode", place, "0x" + code.hex())
            other.mine()
            simulated.attach(other)
            assert simulated.why(simulated.submit, first) == "issuers: list not signed"


def test_the_cheaper_precompile_of_rollups_answers_the_same() -> None:
    """Rule: ATTEST-18"""
    name, quote = "tdx_b0c06f000000_2025-06", "tdx_v4_phala_b0c06f_uptodate"
    with Optimism(timestamp=tdx_samples.about(name)["suggested_now"]) as node:
        chain = TdxChain(node)
        chain.submit_all(tdx_samples.collateral(name))
        raw = bytearray(tdx_samples.raw(quote))
        assert chain.why(chain.verify, bytes(raw)) is None
        raw[600] ^= 1
        assert chain.why(chain.verify, bytes(raw)) == "quote: not by its key"
