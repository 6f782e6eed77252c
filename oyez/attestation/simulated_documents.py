"""TCB info and QE identity of the simulated platform: values in the order of Intel's members.

A document is a plain dict; a test alters it, writes it with `written` and has it signed again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

#: What Intel says of the sixteen components of a platform: category, type.
SGX_KINDS = (
    ("BIOS", "Early Microcode Update"), ("OS/VMM", "SGX Late Microcode Update"),
    ("OS/VMM", "TXT SINIT"), ("BIOS", ""), ("BIOS", ""), ("BIOS", ""), ("", ""),
    ("OS/VMM", "SEAMLDR ACM"),
)  # fmt: skip
TDX_KINDS = (
    ("OS/VMM", "TDX Module"), ("OS/VMM", "TDX Module"), ("OS/VMM", "TDX Late Microcode Update"),
)  # fmt: skip
NO_ATTRIBUTES, ALL_ATTRIBUTES = "00" * 8, "FF" * 8


def written(document: object) -> str:
    """Return a document's text as Intel writes it: no spaces, members in their order."""
    return json.dumps(document, separators=(",", ":"))


def moment(seconds: int) -> str:
    """Return YYYY-MM-DDThh:mm:ssZ of seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def svn_level(svn: int, status: str = "UpToDate", since: str = "2024-03-13") -> dict[str, Any]:
    """Return a level of a module or enclave."""
    return {"tcb": {"isvsvn": svn}, "tcbDate": f"{since}T00:00:00Z", "tcbStatus": status}


def _components(svns: Sequence[int], kinds: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """Return component SVNs with what Intel says of each."""
    found = []
    for place, svn in enumerate(svns):
        category, kind = kinds[place] if place < len(kinds) else ("", "")
        named = {"category": category} if category else {}
        found.append({"svn": svn} | named | ({"type": kind} if kind else {}))
    return found


def tcb_level(
    sgx: Sequence[int], pcesvn: int, tdx: Sequence[int], status: str = "UpToDate",
    since: str = "2024-11-13",
) -> dict[str, Any]:  # fmt: skip
    """Return a platform's level; sixteen SVNs each."""
    tcb = {
        "sgxtcbcomponents": _components(sgx, SGX_KINDS),
        "pcesvn": pcesvn,
        "tdxtcbcomponents": _components(tdx, TDX_KINDS),
    }
    return {"tcb": tcb, "tcbDate": f"{since}T00:00:00Z", "tcbStatus": status}


def module(version: int, *levels: dict[str, Any]) -> dict[str, Any]:
    """Return the identity of a TDX module's version."""
    return {
        "id": f"TDX_{version:02X}",
        "mrsigner": "00" * 48,
        "attributes": NO_ATTRIBUTES,
        "attributesMask": ALL_ATTRIBUTES,
        "tcbLevels": list(levels),
    }


def tcb_info(
    fmspc: bytes, issued: int, until: int, evaluation: int, levels: Sequence[dict[str, Any]],
    modules: Sequence[dict[str, Any]],
) -> dict[str, Any]:  # fmt: skip
    """Return a TCB info; times in seconds since 1970."""
    signer = {"mrsigner": "00" * 48, "attributes": NO_ATTRIBUTES, "attributesMask": ALL_ATTRIBUTES}
    return {
        "id": "TDX",
        "version": 3,
        "issueDate": moment(issued),
        "nextUpdate": moment(until),
        "fmspc": fmspc.hex().upper(),
        "pceId": "0000",
        "tcbType": 0,
        "tcbEvaluationDataNumber": evaluation,
        "tdxModule": signer,
        "tdxModuleIdentities": list(modules),
        "tcbLevels": list(levels),
    }


def qe_identity(
    signer: bytes, issued: int, until: int, evaluation: int, levels: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Return a QE identity; times in seconds since 1970."""
    return {
        "id": "TD_QE",
        "version": 2,
        "issueDate": moment(issued),
        "nextUpdate": moment(until),
        "tcbEvaluationDataNumber": evaluation,
        "miscselect": "00000000",
        "miscselectMask": "FFFFFFFF",
        "attributes": "11000000000000000000000000000000",
        "attributesMask": "FBFFFFFFFFFFFFFF0000000000000000",
        "mrsigner": signer.hex().upper(),
        "isvprodid": 2,
        "tcbLevels": list(levels),
    }
