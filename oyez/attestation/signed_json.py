"""Reads JSON of one form alone: what writing it again without spaces gives, members in order."""

from __future__ import annotations

import json
import re
from datetime import datetime

from oyez.protocol.errors import Invalid

MAX_JSON = 16_384
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
HEX = re.compile(r"(?:[0-9a-fA-F]{2})*")


def load(text: str, limit: int, usual: bool, rule: str, what: str) -> object:
    """Return what a JSON text of ASCII holds; no name occurs twice in an object.

    Args:
        text: the JSON.
        limit: the most characters.
        usual: the text must be how its value is written, with no spaces and no escapes.
        rule: rule of every refusal.
        what: the document's name in refusals.

    Raises:
        Invalid: the given rule, for any other text.

    Rule: ATTEST-8
    """
    if len(text) > limit or not text.isascii():
        raise Invalid(rule, f"{what}: not ASCII of at most {limit} characters")

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        members = dict(pairs)
        if len(members) != len(pairs):
            raise ValueError("a name occurs twice")
        return members

    try:
        read: object = json.loads(text, object_pairs_hook=once)
        written = json.dumps(read, separators=(",", ":"))
    except (ValueError, RecursionError) as error:
        raise Invalid(rule, f"{what}: not JSON: {error}") from error
    if usual and written != text:
        raise Invalid(rule, f"{what}: not the usual form of JSON")
    return read


class Reader:
    """Takes values of one document apart; each method refuses what is not of its kind.

    Rule: ATTEST-8
    """

    __slots__ = ("_rule", "_what")

    def __init__(self, rule: str, what: str) -> None:
        """Name the rule and the document of every refusal."""
        self._rule, self._what = rule, what

    def must(self, condition: bool, what: str) -> None:
        """Refuse the document unless the condition holds."""
        if not condition:
            raise Invalid(self._rule, f"{self._what}: {what}")

    def document(self, text: str) -> object:
        """Return what the text of the whole document holds."""
        return load(text, MAX_JSON, True, self._rule, self._what)

    def members(self, value: object, *names: str) -> dict[str, object]:
        """Return an object's members: these names in this order; `name?` may be absent."""
        self.must(isinstance(value, dict), "no object where one belongs")
        found = dict(value) if isinstance(value, dict) else {}
        wanted = [name.rstrip("?") for name in names if name[-1] != "?" or name[:-1] in found]
        self.must(list(found) == wanted, f"members other than {', '.join(names)}")
        return found

    def array(self, value: object, what: str) -> list[object]:
        """Return an array's values, of which there is at least one."""
        self.must(isinstance(value, list) and len(value) > 0, f"{what} is no array or empty")
        return list(value) if isinstance(value, list) else []

    def integer(self, value: object, top: int, what: str) -> int:
        """Return an integer of 0..top."""
        number = value if isinstance(value, int) and not isinstance(value, bool) else -1
        self.must(0 <= number <= top, f"{what} is no integer of 0 to {top}")
        return number

    def text(self, value: object, what: str) -> str:
        """Return a string."""
        self.must(isinstance(value, str), f"{what} is no text")
        return str(value)

    def octets(self, value: object, size: int | None, what: str) -> bytes:
        """Return the bytes of hex digits of either case; None: of any number."""
        digits = self.text(value, what)
        right = HEX.fullmatch(digits) is not None and size in (None, len(digits) // 2)
        self.must(right, f"{what} is no hex" + (f" of {size} bytes" if size else ""))
        return bytes.fromhex(digits)

    def moment(self, value: object, what: str) -> int:
        """Return the seconds since 1970 of YYYY-MM-DDThh:mm:ssZ."""
        text = self.text(value, what)
        self.must(MOMENT.fullmatch(text) is not None, f"{what} is no time")
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise Invalid(self._rule, f"{self._what}: {what}: {error}") from error
        return int(moment.timestamp())
