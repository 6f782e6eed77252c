from __future__ import annotations

import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oyez.chain.client import connect
from oyez.chain.urls import verify_url
from oyez.protocol.errors import Invalid, Temporary


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:8545",
        "https://node.example/v3/key?x=1",
        "http://[::1]:80",
        "http://localhost",
        "HTTP://node.example.:1",
        "https://user:word@node.example",
    ],
)
def test_addresses_pass(text: str) -> None:
    """Rule: CLI-11."""
    verify_url(text, "--rpc")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "must begin with http"),
        ("127.0.0.1:8545", "must begin with http"),
        ("localhost", "must begin with http"),
        ("ws://127.0.0.1:8545", "must begin with http"),
        ("ftp://x", "must begin with http"),
        ("http://[::1", "invalid IPv6"),
        ("http://[x]", "does not appear to be an IPv4 or IPv6"),
        ("http://", "names no host"),
        ("http://:80", "names no host"),
        ("http://a:port", "port could not be cast"),
        ("http://a:99999", "port out of range"),
        ("http://a:0", "port 0"),
        ("http://a b", "a character that no address has"),
        ("http://a\n", "a character that no address has"),
        ("http://\udcff", "a character that no address has"),
        ("http://a..b", "its host is no name"),
        (f"http://{'a' * 64}", "its host is no name"),
    ],
)
def test_what_is_no_address_is_told_with_its_fault(text: str, fault: str) -> None:
    """Rule: CLI-11."""
    with pytest.raises(Invalid, match=r"--rpc .* is no address") as caught:
        verify_url(text, "--rpc")
    assert fault in str(caught.value)


@given(st.text(max_size=12), st.sampled_from(["http://", "http://[", "https://x:", ""]))
@example("\u0130\u2460.\u3002", "http://")
@example("*", "http://")
@example("%zz@", "http://")
def test_any_text_ends_in_invalid_or_in_a_chain_that_is_down(text: str, start: str) -> None:
    address = start + text
    with contextlib.suppress(Invalid):
        verify_url(address, "x")
    # a name that might exist is none of this test's business
    if "." not in address and not text.isalnum():
        with pytest.raises((Invalid, Temporary)):
            connect(address, 1)
