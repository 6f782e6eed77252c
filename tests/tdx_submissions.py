"""Collateral of the simulated platform, part by part, as it is submitted on chain."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from oyez.attestation.certificates import parse_certificate
from oyez.attestation.revocation import parse_revocations
from oyez.attestation.simulated import SimulatedPlatform
from oyez.attestation.simulated_certificates import (
    CertificateForm,
    ListForm,
    issue,
    issue_list,
    sign,
)
from oyez.attestation.simulated_documents import written
from oyez.attestation.submissions import Submission, compute_subject_id
from tests.tdx_chain import DAY, TdxChain

NOW = 1_760_000_000
PLATFORM = SimulatedPlatform()
ROOT, CA, SIGNER, PCK = map(
    parse_certificate, (PLATFORM.root, PLATFORM.ca, PLATFORM.signer, PLATFORM.pck)
)
SIGNER_ID = compute_subject_id(SIGNER)
QUOTE = PLATFORM.quote(bytes(64))
TCB, QE = "submit_tcb_info", "submit_qe_identity"


def submit_list(form: ListForm, by: str) -> Submission:
    read = parse_revocations(issue_list(form, PLATFORM.key(by)))
    return Submission("submit_list", (read.signed, read.signature))


def root_list(*serials: int, at: int = NOW - 100, **fields: Any) -> Submission:
    return submit_list(
        replace(PLATFORM.root_list_form(NOW, serials), this_update=at, **fields), "root"
    )


def pck_list(*serials: int, at: int = NOW - 100, by: str = "ca", **fields: Any) -> Submission:
    return submit_list(replace(PLATFORM.pck_list_form(NOW, serials), this_update=at, **fields), by)


def issuer(form: CertificateForm, by: str = "root") -> Submission:
    read = parse_certificate(issue(form, PLATFORM.key(by)))
    return Submission("submit_issuer", (read.signed, read.signature))


def document(name: str, value: Any, by: str = "signer", signer: bytes = SIGNER_ID) -> Submission:
    text = (value if isinstance(value, str) else written(value)).encode()
    return Submission(name, (text, sign(PLATFORM.key(by), text), signer))


def tcb(at: int = NOW - 100, **members: Any) -> dict[str, Any]:
    """A TCB info, issued later than the stored one."""
    return PLATFORM.tcb_info(at + DAY) | members


def qe(at: int = NOW - 100, **members: Any) -> dict[str, Any]:
    return PLATFORM.qe_identity(at + DAY) | members


def made(name: str, at: int = NOW - 100, **members: Any) -> dict[str, Any]:
    return tcb(at, **members) if name == TCB else qe(at, **members)


def judged(chain: TdxChain) -> str | None:
    return chain.why(chain.verify, QUOTE)


def tried(chain: TdxChain, submission: Submission) -> str | None:
    return chain.why(chain.submit, submission)
