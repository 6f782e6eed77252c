"""Addresses of HTTP services as users give them, checked before anything connects."""

from __future__ import annotations

from urllib.parse import urlsplit

from oyez.protocol.errors import Invalid

SCHEMES = ("http", "https")


def verify_url(text: str, what: str) -> None:
    """Check that a text is an HTTP address; `what` names where it was given.

    Raises:
        Invalid: CLI-11; the text says what is wrong with it.

    Rule: CLI-11
    """
    fault = _find_fault(text)
    if fault is not None:
        raise Invalid(
            "CLI-11", f"{what} {text!r} is no address: {fault}; it looks like http://127.0.0.1:8545"
        )


def _find_fault(text: str) -> str | None:
    if not text.isprintable() or " " in text:
        return "it holds a character that no address has"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        return str(error)[:1].lower() + str(error)[1:]
    if parts.scheme not in SCHEMES:
        return f"it must begin with {' or '.join(f'{scheme}://' for scheme in SCHEMES)}"
    if not host:
        return "it names no host"
    if port == 0:
        return "port 0 is none"
    labels = host.removesuffix(".").split(".")
    if ":" not in host and any(not 0 < len(label) < 64 for label in labels):
        return "its host is no name"
    return None
