"""`oyez explain` re-executes a call and shows what the model decided, and how narrowly."""

from __future__ import annotations

import click

from oyez.commands import arguments, output
from oyez.commands.settings import Settings, build_client, pass_settings
from oyez.explaining import Decision, Explanation
from oyez.protocol.types import CallId, Outcome

#: Of a score.
UNIT = 1 << 32
#: Characters of a text that a line has room for.
WIDTH = 40


@click.command()
@click.argument("call_id", type=arguments.CALL_ID)
@click.option("--prompt", is_flag=True, help="Show the whole prompt, token by token.")
@pass_settings
def explain(settings: Settings, *, call_id: CallId, prompt: bool) -> None:
    """Re-execute a call and show each token the model chose, with its margin over the next best.

    Works from the chain and the model file alone; what was posted is not looked at.
    """
    progress = output.Progress()
    client = build_client(settings, report=progress.show)
    found = client.explain(call_id)
    progress.clear()
    lines = [*describe_prompt(found, whole=prompt), *map(describe_token, found.decisions)]
    output.emit(found.build_json(), [*lines, *describe_end(found)], as_json=settings.json)


def describe_prompt(found: Explanation, *, whole: bool) -> list[str]:
    """Return the prompt as text: every token, or how many there are and how it ends."""
    if whole:
        numbered = enumerate(found.prompt, 1)
        return [f"{at:>5}  {token:>6}  {text!r}" for at, (token, text) in numbered]
    text = "".join(text for _, text in found.prompt)
    shown = repr(text) if len(text) <= WIDTH else "..." + repr(text[-WIDTH:])
    return [f"prompt: {len(found.prompt)} tokens, {shown}"]


def describe_token(decision: Decision) -> str:
    """Return one output token as a line."""
    line = f"{decision.position:>5}  {decision.kind.name.lower():7}  {decision.text!r:20}"
    if decision.margin is None:
        return line
    others = [c for c in decision.candidates if c.token != decision.token]
    listed = ", ".join(
        f"{c.text!r} {c.score / UNIT:+.3f}" + (f" (bias {c.bias / 65_536:+.3f})" if c.bias else "")
        for c in decision.candidates[:4]
    )
    more = ", ..." if len(decision.candidates) > 4 else ""
    ahead = f"ahead of {others[0].text!r} by {decision.margin / UNIT:.3f}"
    return f"{line}  {ahead} of {decision.allowed}: {listed}{more}"


def describe_end(found: Explanation) -> list[str]:
    """Return how the call ended, and the fields that it changed."""
    done = found.execution
    ended = done.outcome.name
    if done.outcome is not Outcome.ACCEPTED:
        ended += f"({done.code.name}) detail {done.detail}"
    attested = ", ATTESTED" if found.attested else ""
    lines = [f"call {done.entry.call_id}: {ended}, {done.positions} positions{attested}"]
    for name, before, after in found.fields:
        lines.append(f"  {name}: {before!r}" + ("" if before == after else f" -> {after!r}"))
    return lines
