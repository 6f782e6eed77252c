"""What dcap-qvl says of a quote, where it is installed (`pip install oyez[tdx]`).

Shown beside the project's own answer, never part of it.
"""

from __future__ import annotations

import importlib
from typing import Any


def ask_dcap_qvl(raw: bytes, collateral: str, now: int, root: bytes | None = None) -> str | None:
    """Return its status for a quote, such as "UpToDate", or "error: ..."; None: not importable.

    Whatever it does, a broken installation and a panic of its native code among them, ends in its
    own answer: it takes nothing from the project's.

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
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # another's code: it may fail in any way
        return f"error: cannot be imported: {_describe(error)}"
    try:
        given = judge.QuoteCollateralV3.from_json(collateral)
        if root is None:
            found = judge.verify(raw, given, now)
        else:
            found = judge.verify_with_root_ca(raw, given, root, now)
        return str(found.status)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a panic of native code is no Exception
        return f"error: {_describe(error)}"


def _describe(error: BaseException) -> str:
    """Return an error's words in one line, its kind where it has none."""
    return " ".join(str(error).split()) or type(error).__name__
