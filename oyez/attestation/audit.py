"""What a registered key stands for: its evidence judged again, and compared with what is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from oyez.attestation.appraisal import Attested, appraise
from oyez.attestation.archive import Evidence
from oyez.attestation.certificates import parse_certificate
from oyez.attestation.collateral import parse_collateral
from oyez.attestation.quote import TdReport
from oyez.attestation.submissions import compute_workload
from oyez.chain.client import Chain
from oyez.chain.tdx import Registered
from oyez.protocol.enclaves import compute_application, compute_binding, compute_report_data
from oyez.protocol.errors import Invalid
from oyez.protocol.types import Address, Hash32


@dataclass(frozen=True, slots=True)
class Application:
    """What an application's digest was found to be made of."""

    engine_build: Hash32
    model_root: Hash32


def judge_evidence(
    chain: Chain, registry: Address, registered: Registered, evidence: Evidence
) -> Attested:
    """Return what a registration's quote proves, judged as it stood when it was registered.

    Raises:
        Invalid: ATTEST-1 to ATTEST-16, the quote would not be accepted; ENCLAVE-13, it is accepted
            and of another key, workload or application than the registration says.

    Rule: ENCLAVE-13
    """
    root = parse_certificate(evidence.root).key
    found = appraise(evidence.quote, parse_collateral(evidence.collateral), evidence.at, root)
    block = chain.fetch_block(registered.ref_block)
    binding = compute_binding(chain.chain_id, registry, registered.signer, block.number, block.hash)
    if found.report.report_data != compute_report_data(binding, registered.application):
        raise Invalid("ENCLAVE-13", "the quote binds another key or application than is registered")
    if compute_workload(evidence.quote) != registered.workload:
        raise Invalid("ENCLAVE-13", "the quote is of another workload")
    return found


def find_application(
    digest: Hash32, builds: Iterable[Hash32], roots: Iterable[Hash32]
) -> Application | None:
    """Return the build and model root that an application is made of, if they are among these.

    Rule: ENCLAVE-4
    """
    models = list(roots)
    for build in builds:
        for root in models:
            if compute_application(build, root) == digest:
                return Application(build, root)
    return None


def describe_report(report: TdReport) -> dict[str, Any]:
    """Return a TD report's measurements as hex, by name."""
    plain = ("tee_tcb_svn", "mr_seam", "td_attributes", "xfam", "mr_td", "mr_config_id",
             "mr_owner", "mr_owner_config")  # fmt: skip
    found = {name: getattr(report, name).hex() for name in plain}
    return found | {f"rt_mr{place}": value.hex() for place, value in enumerate(report.rt_mr)}
