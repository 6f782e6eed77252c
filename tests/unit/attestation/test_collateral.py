"""Lists, chains and documents of a collateral: revoked, out of time, of others, unsigned."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oyez.attestation.appraisal import appraise
from oyez.attestation.collateral import parse_collateral
from tests import tdx_samples, tdx_world
from tests.tdx_judging import TD10, changed, judge, qe, refused, tcb
from tests.tdx_world import World, certificate, revocations


def revoking(world: World, ca_list: list[int], root_list: list[int]) -> str:
    since, until = world.now - 9, world.now + 9
    return world.collateral(
        pck_crl=revocations(world.ca, "ca", since, until, ca_list).hex(),
        root_ca_crl=revocations(world.root, "root", since, until, root_list).hex(),
    )


def test_who_is_revoked_is_refused() -> None:
    """Rule: ATTEST-7"""
    world = World()
    judge(world, b"", revoking(world, [], []))
    judge(world, b"", revoking(world, [world.ca.serial, world.signer.serial], [world.leaf.serial]))
    for ca_list, root_list in (
        ([1, world.leaf.serial], []),
        ([], [world.ca.serial]),
        ([], [2, world.signer.serial]),
    ):
        refused("ATTEST-7", "revoked", judge, world, b"", revoking(world, ca_list, root_list))


def test_two_certificates_of_an_issuer_are_revoked_each_by_its_serial() -> None:
    """Rule: ATTEST-7"""
    world = World()
    leaf, _, root = world.chain()
    twin = certificate(replace(world.ca, serial=77), "root")
    quote = world.quote(chain=(leaf, twin, root))
    judge(world, quote, revoking(world, [], [78]))
    for serial in (77, world.ca.serial):
        refused("ATTEST-7", "revoked", judge, world, quote, revoking(world, [], [serial]))


def test_lists_and_chains_of_the_collateral_are_checked() -> None:
    """Rule: ATTEST-6, ATTEST-7, ATTEST-11"""
    world = World()
    now, day = world.now, 86_400
    leaf, ca, root = world.chain()
    old = replace(world.signer, not_after=now - 1)
    pems = {
        "ca": tdx_world.pem(ca, root).decode(),
        "leaf": tdx_world.pem(leaf, ca, root).decode(),
        "signer": tdx_world.pem(certificate(world.signer, "root"), root).decode(),
        "foreign": tdx_world.pem(certificate(world.signer, "foreign"), root).decode(),
        "old": tdx_world.pem(certificate(old, "root"), root).decode(),
    }
    for name in ("tcb_info_issuer_chain", "qe_identity_issuer_chain"):
        for bad in ("ca", "leaf", "foreign", "old"):
            parts = {name: pems[bad]}
            refused("ATTEST-6", "certificate", judge, world, b"", world.collateral(**parts))
    for bad in ("leaf", "signer"):
        parts = {"pck_crl_issuer_chain": pems[bad]}
        refused("ATTEST-6", "other roles", judge, world, b"", world.collateral(**parts))
    for name, issuer, by, since, until in (
        ("pck_crl", world.ca, "pck", -day, day),
        ("pck_crl", world.ca, "ca", -2 * day, -day),
        ("pck_crl", world.ca, "ca", day, 2 * day),
        ("pck_crl", world.root, "root", -day, day),
        ("pck_crl", world.signer, "signer", -day, day),
        ("root_ca_crl", world.root, "ca", -day, day),
        ("root_ca_crl", world.root, "root", -2 * day, -1),
        ("root_ca_crl", world.ca, "ca", -day, day),
    ):
        listed = revocations(issuer, by, now + since, now + until).hex()
        refused("ATTEST-7", "list", judge, world, b"", world.collateral(**{name: listed}))


@pytest.mark.parametrize("name", ["tcb_info", "qe_identity"])
def test_documents_are_signed_and_in_force(name: str) -> None:
    """Rule: ATTEST-11"""
    world = World()
    for by in ("ca", "pck", "root", "foreign"):
        text = world.collateral(tcb_by=by) if name == "tcb_info" else world.collateral(qe_by=by)
        refused("ATTEST-11", "not signed by its signer", judge, world, b"", text)
    later = changed(getattr(world, name), 18, "tcbEvaluationDataNumber")
    refused("ATTEST-11", "not signed", judge, world, b"", world.collateral(**{name: later}))
    for member, value, what in (
        ("issueDate", "2049-01-01T00:00:00Z", "not in force yet"),
        ("nextUpdate", "2025-06-30T00:00:00Z", "expired"),
    ):
        other = World()
        setattr(other, name, changed(getattr(other, name), value, member))
        refused("ATTEST-11", what, judge, other)


def test_collateral_of_another_platform_is_refused() -> None:
    """Rule: ATTEST-11, ATTEST-9, ATTEST-10"""
    refused("ATTEST-11", "another FMSPC", judge, tcb(World(), "B0C06F000001", "fmspc"))
    judge(tcb(World(), "b0c06f000000", "fmspc"))
    refused("ATTEST-9", "pceId", judge, tcb(World(), "0001", "pceId"))
    refused("ATTEST-9", "id is not TDX", judge, tcb(World(), "SGX", "id"))
    refused("ATTEST-10", "id is not TD_QE", judge, qe(World(), "QE", "id"))
    raw = tdx_samples.raw(TD10[0])
    given = parse_collateral(tdx_samples.collateral("tdx_90c06f000000_2025-06"))
    refused("ATTEST-11", "another FMSPC", appraise, raw, given, 1_750_357_898)
