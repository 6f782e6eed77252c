"""Writes docs/spec/invariants.md, invariants and their mutants; --check tells if it is current."""

from __future__ import annotations

import re

from oyez.chain.deploy import ROOT
from scripts.pages import build_command
from tests.contracts.named_mutants import NAMED, Named
from tests.contracts.step_mutants import STEPS

PAGE = ROOT / "docs" / "spec" / "invariants.md"
FINDINGS = ROOT / "docs" / "spec" / "findings.md"
COUNT = 48
SWEEP = 48
LONGEST = 90
HEAD = """# The 48 invariants

Written by `python -m scripts.invariants` from [findings.md](findings.md), which names the tests,
and from the mutants in `tests/contracts/named_mutants.py` and `step_mutants.py`. A mutant is a
change of a contract that breaks the invariant; the test named with it must die.
`make soak PART=invariants` and `PART=invariants_steps` run them all,
`python -m scripts.mutate.named "Invariant 7"` those of one. Long texts are cut at their ends.
"""
#: Invariants of parts that do not exist, each with what it will be about.
LATER = {
    45: "An attested result counts once, by the right key, for the request it answers, in time; "
    "two honest results that differ leave no fork without end. Comes with the attested profile: no "
    "contract takes such a result. What enclaves sign is a flag beside finality (ROLLUP-26).",
    46: "A message is executed once, from a final root at or after its own; one that fails can be "
    "tried again. Comes with the Outbox: no call makes a message, and no contract executes one.",
}


def read_findings() -> dict[int, tuple[str, list[str]]]:
    """Return number -> (what holds, paths of tests that name it)."""
    rows = re.findall(
        r"(?m)^\| Invariant (\d+) \| (\S.*?) \| (.*) \|$", FINDINGS.read_text("utf-8")
    )
    return {int(n): (text, re.findall(r"`([^`]+)`", tests)) for n, text, tests in rows}


def list_mutants(number: int) -> list[Named]:
    """Return the mutants of an invariant."""
    return [mutant for mutant in (*NAMED, *STEPS) if mutant.tag == f"Invariant {number}"]


def shorten(old: str, new: str) -> tuple[str, str]:
    """Return both texts on a line, without what they begin and end with alike if that is long."""
    texts = [text.split() for text in (old, new)]
    least = min(len(words) for words in texts)
    same = [a == b for a, b in zip(*texts, strict=False)]
    first = same.index(False) if False in same else least
    last = 0
    while last < least - first and texts[0][-1 - last] == texts[1][-1 - last]:
        last += 1
    found = []
    for words in texts:
        line = " ".join(words)
        if len(line) > LONGEST:
            start, end = max(0, first - 4), len(words) - max(0, last - 2)
            line = " ".join(words[start:end])
            line = f"{'... ' if start else ''}{line}{' ...' if end < len(words) else ''}"
        if len(line) > LONGEST:
            line = f"{line[: LONGEST - 4]} ..."
        found.append(line)
    return found[0], found[1]


def build_page() -> str:
    """Return the page.

    Raises:
        KeyError: an invariant that is not for later stands in no row of findings.md.
    """
    findings = read_findings()
    lines = [HEAD]
    for number in range(1, COUNT + 1):
        if number in LATER:
            lines.append(f"**{number}** {LATER[number]}\n")
            continue
        text, tests = findings[number]
        lines.append(f"**{number}** {text}\n")
        lines.append(f"- Tests: {', '.join(f'`{path}`' for path in tests)}")
        if number == SWEEP:
            lines.append(
                "- Mutants: the sweep itself. `scripts/mutate` swaps each comparison of a contract "
                "and drops each check; `make soak` draws from all of these, contract by contract."
            )
        lines += [_describe(mutant) for mutant in list_mutants(number)]
        lines.append("")
    return "\n".join(lines)


def _describe(mutant: Named) -> str:
    old, new = shorten(mutant.old, mutant.new)
    change = f"`{old}` becomes `{new}`" if new else f"without `{old}`"
    target = "" if mutant.file == mutant.target else f" (in {mutant.target})"
    return f"- Mutant: `{mutant.path}`{target}, {change}; killed by `{mutant.test}`"


main = build_command(PAGE, build_page, __doc__)

if __name__ == "__main__":
    main()
