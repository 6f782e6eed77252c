"""What dcap-qvl says of a quote, where it is installed (`pip install oyez[tdx]`).

Shown beside the project's own answer, never part of it.
"""

from __future__ import annotations

import importlib
from typing import Any


def ask_dcap_qvl(raw: bytes, collateral: str, now: int, root: bytes | None = None) -> str | None:
    """Return its status for a quote, such as "UpToDate", or "error: ..."; None: not installed.

    Args:
        raw: the quote.
        collateral: QuoteCollateralV3 JSON.
        now: seconds since 1970.
        root: another root's certificate in DER than Intel's.
    """
    try:
        judge: Any = importlib.import_module("dcap_qvl")
    except ImportError:
        return None
    try:
        given = judge.QuoteCollateralV3.from_json(collateral)
        if root is None:
            found = judge.verify(raw, given, now)
        else:
            found = judge.verify_with_root_ca(raw, given, root, now)
    except (ValueError, RuntimeError, OverflowError) as error:
        return f"error: {' '.join(str(error).split())}"
    return str(found.status)
