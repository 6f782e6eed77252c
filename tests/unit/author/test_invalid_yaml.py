"""What is wrong in an author's file is said with line, column and a fix."""

from __future__ import annotations

import pytest

from oyez.author.compiler import compile_yaml
from oyez.author.yaml_tree import InvalidYaml
from tests.unit.author.models import build_tiny_model
from tests.unit.author.yaml_cases import BASE, CASES, Case


def test_the_base_of_all_cases_compiles_without_warnings() -> None:
    compiled = compile_yaml(BASE, model=build_tiny_model())

    assert compiled.warnings == ()


# Rules: AUTHOR-1, AUTHOR-2, AUTHOR-3, AUTHOR-4, AUTHOR-5, AUTHOR-6, AUTHOR-7, AUTHOR-9, AUTHOR-11
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[1][:30]!r}")
def test_error_names_line_column_and_fix(case: Case) -> None:
    old, new, line, column, hint = case
    assert BASE.count(old) == 1, "the case must change one place"

    with pytest.raises(InvalidYaml) as caught:
        compile_yaml(BASE.replace(old, new), model=build_tiny_model())

    assert (caught.value.line, caught.value.column) == (line, column), str(caught.value)
    assert hint in str(caught.value)
    assert str(caught.value).startswith(f"line {line}, column {column}: ")


# Rule: AUTHOR-1
@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "the file is empty"),
        ("# nothing\n", "the file is empty"),
        ("just words", "is a mapping"),
        ("a" * 70_000, "at most 65,536"),
        ("{" * 3_000, "nested deeper than 12 levels"),
        ("[" * 3_000 + "]" * 3_000, "nested deeper than 12 levels"),
        ("a: &x [b]\nc: *x", "anchors"),
        ("a: *x", "aliases"),
        ("%TAG ! tag:x,2000:\n---\na: 1", "directives"),
        ("a: \x07", "cannot stand in YAML"),
        ("a: \ud800", "save it as UTF-8"),
        ('a: "\\ud800"', "half a character"),
        ('a: "\\U00110000"', "names no character"),
        ("? [a]\n: b", "a key is a word"),
        ("name: 1\n\tmodel: 2", "this is not YAML"),
    ],
)
def test_what_is_no_plain_yaml_is_refused(text: str, hint: str) -> None:
    with pytest.raises(InvalidYaml, match=hint):
        compile_yaml(text, model=build_tiny_model())


# Rule: AUTHOR-1
def test_the_thirteenth_level_is_the_first_too_deep() -> None:
    with pytest.raises(InvalidYaml, match="nested deeper") as caught:
        compile_yaml("[" * 40 + "]" * 40, model=build_tiny_model())
    with pytest.raises(InvalidYaml, match="is a mapping"):
        compile_yaml("[" * 12 + "]" * 12, model=build_tiny_model())

    assert caught.value.column == 13


# Rule: AUTHOR-12
def test_a_bound_only_the_protocol_knows_is_placed_at_its_part() -> None:
    long = "".join(f"  s{i}: {{type: string, limit: 512}}\n" for i in range(8))

    with pytest.raises(InvalidYaml, match="MANIFEST-25") as caught:
        compile_yaml(BASE.replace("state:\n", "state:\n" + long), model=build_tiny_model())

    assert (caught.value.line, caught.value.column) == (16, 1)


# Rule: AUTHOR-13
def test_a_prompt_that_cannot_fit_says_by_how_much() -> None:
    shots = "    - {input: a, value: 1, output: {mood: bad, reply: b}}\n" * 40

    with pytest.raises(InvalidYaml, match="at most 1,536: drop some examples") as caught:
        compile_yaml(
            BASE.replace("  examples:\n", "  examples:\n" + shots), model=build_tiny_model()
        )

    assert caught.value.line == 6
