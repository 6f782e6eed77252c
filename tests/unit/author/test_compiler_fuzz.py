"""Whatever a file holds, the compiler returns bytes that parse or says what is wrong."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from oyez.author.compiler import compile_yaml
from oyez.author.yaml_tree import InvalidYaml
from oyez.protocol.manifest import parse_manifest
from tests.unit.author.models import build_tiny_model
from tests.unit.author.yaml_cases import BASE, TAGS

BALLOT = (Path(__file__).parents[3] / "examples" / "ballot.yaml").read_text(encoding="utf-8")
WORDS = (
    *("{", "}", "[", "]", ": ", ", ", "- ", "\n", "\n  ", "|\n", ">", "'", '"', "#", "&a", "*a"),
    *("!x", "%", "@", "`", "?", "---", "...", "<<", "\t", "\0", "\x85", "\u2028", "\ufeff", "\\"),
    *("{input}", "{output}", "{state}", "{value}", "<|im_end|>", "<|x|>", "{{", "}}", "é", "日"),
    *("\U00040000", "\ud800", "null", "~", "true", "-1", "0x10", "1e9", "9" * 200, "old.", "new."),
    *("if", "else", "and", "(" * 30, "min(", "==", "type: enum", "[]", "{}", '"\\U00110000"'),
)


def mutate(text: str, source: random.Random) -> str:
    for _ in range(source.choice((1, 1, 2, 4))):
        at, length = source.randrange(len(text) + 1), source.choice((0, 1, 2, 5, 20))
        kind = source.randrange(5)
        if kind == 0:
            text = text[:at] + text[at + length :]
        elif kind == 1:
            text = text[:at] + source.choice(WORDS) + text[at + length :]
        elif kind == 2:
            text = (
                text[:at] + chr(source.choice((source.randrange(128), 0x300, 0x1F600))) + text[at:]
            )
        else:
            lines = text.split("\n")
            first, second = source.randrange(len(lines)), source.randrange(len(lines))
            if kind == 3:
                lines[first], lines[second] = lines[second], lines[first]
            else:
                lines.insert(first, lines[second])
            text = "\n".join(lines)
    return text


# Rules: AUTHOR-1, AUTHOR-12
@pytest.mark.parametrize("text", [BASE, BALLOT, TAGS], ids=["guestbook", "ballot", "tags"])
def test_mutated_files_compile_or_are_refused_at_a_place(text: str) -> None:
    model, source = build_tiny_model(), random.Random(20_261)
    compiled = refused = 0

    for _ in range(700):
        mutated = mutate(text, source)
        try:
            data = compile_yaml(mutated, model=model).data
        except InvalidYaml as error:
            refused += 1
            place, lines = (error.line, error.column), mutated.count("\n") + 3
            assert 1 <= place[0] <= lines, mutated
        else:
            compiled += 1
            parse_manifest(data, model.limits)

    assert compiled > 20
    assert refused > 300
