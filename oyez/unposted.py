"""What the sequencer's service says before anything is posted: its word, which nothing checks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import requests

from oyez.answers import Action
from oyez.chain.client import LOOPBACK, UNUSABLE
from oyez.protocol import codec
from oyez.protocol.errors import Invalid, Temporary
from oyez.protocol.types import Address, CellKind, Code, Outcome
from oyez.status import CallStatus

TIMEOUT_SECONDS = 10


def fetch_call(service: str, found: CallStatus) -> CallStatus:
    """Return a call's status with the outcome that the service has executed, if it has.

    Raises:
        Temporary: the service does not answer.

    Rule: SDK-6
    """
    document = _fetch(f"{service.rstrip('/')}/calls/{found.call_id}", {})
    if isinstance(document, str) or document.get("outcome") is None:
        # a service that has not read so far knows no such call yet
        return found
    if document.get("entry_hash") != "0x" + codec.compute_entry_hash(found.entry).hex():
        # it has another call of this id: that of a chain before or after a re-org
        return found
    try:
        return replace(
            found,
            outcome=Outcome[document["outcome"]],
            code=Code[document["code"]],
            detail=int(document["detail"]),
            output=bytes.fromhex(document["output_hex"][2:]),
            source="sequencer",
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _malformed(service) from error


def fetch_state(
    service: str, action: Action, cell: str, own: Address | None
) -> dict[str, Any]:  # Any: JSON
    """Return the service's answer about a cell: its fields as it has executed them.

    Raises:
        Invalid: SDK-7, the service knows no such action or cell.
        Temporary: the service does not answer.

    Rule: SDK-7
    """
    asked = {"cell": cell}
    if action.manifest.cell_kind is CellKind.PER_CALLER and not cell and own is not None:
        asked = {"cell": "0x" + own.hex()}
    url = f"{service.rstrip('/')}/actions/0x{action.action_id.hex()}/state"
    document = _fetch(url, asked)
    if isinstance(document, str):
        raise Invalid("SDK-7", f"the sequencer has no such state: {document}")
    if not isinstance(document.get("state"), dict):
        raise _malformed(service)
    return {
        "action_id": "0x" + action.action_id.hex(),
        "cell": asked["cell"],
        "level": document.get("finality"),
        "call_id": document.get("call_id"),
        "version": document.get("version"),
        "manifest_hash": document.get("manifest_hash"),
        "state": document["state"],
    }


def _fetch(url: str, asked: dict[str, str]) -> dict[str, Any] | str:  # Any: JSON
    """Return the service's answer, or its reason where it has none."""
    session = requests.Session()
    # A proxy named in the environment cannot reach this machine's own ports.
    session.trust_env = urlsplit(url).hostname not in LOOPBACK
    try:
        response = session.get(url, params=asked, timeout=TIMEOUT_SECONDS)
        document = response.json()
        if response.status_code in (404, 422):
            return str(document["detail"])
        response.raise_for_status()
    except RecursionError as error:
        raise _malformed(url) from error
    except UNUSABLE as error:
        raise Invalid("CLI-11", f"--sequencer {url!r} is no address: {error}") from error
    except OSError as error:
        raise Temporary(
            f"the sequencer's service does not answer at {url} ({type(error).__name__}): "
            "leave --sequencer out, or correct it"
        ) from error
    except (KeyError, TypeError, ValueError) as error:
        # a ValueError: a number of more digits than Python reads
        raise _malformed(url) from error
    if not isinstance(document, dict):
        raise _malformed(url)
    return document


def _malformed(service: str) -> Temporary:
    return Temporary(f"{service} answers as no sequencer does: correct --sequencer")
