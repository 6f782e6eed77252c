"""What a YAML file means: every part of it, in the manifest it compiles to."""

from __future__ import annotations

from pathlib import Path

import pytest

from oyez.author.compiler import Compiled, compile_yaml
from oyez.author.tokenizer import AuthorModel, load_author_model
from oyez.author.yaml_tree import InvalidYaml
from oyez.protocol import decoding, expressions, schema
from oyez.protocol.errors import Invalid
from oyez.protocol.manifest import encode_manifest, parse_manifest
from oyez.protocol.types import CellKind, Field, FieldType, Role, SeedRule, SegmentKind
from tests.unit.author.models import build_tiny_model
from tests.unit.author.yaml_cases import BASE, TAGS

BALLOT = Path(__file__).parents[3] / "examples" / "ballot.yaml"


def compile_tiny(*edits: tuple[str, str]) -> Compiled:
    text = BASE
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return compile_yaml(text, model=build_tiny_model())


@pytest.fixture(scope="module")
def smollm() -> AuthorModel:
    return load_author_model()


def spell(tokens: tuple[int, ...], model: AuthorModel) -> str:
    names = {token: f"<|{name}|>" for name, token in model.controls.items()}
    pieces = (names.get(t) or (model.vocabulary.tokens[t] or b"?").decode() for t in tokens)
    return "".join(pieces)


def test_header_parts_are_the_files() -> None:
    manifest = compile_tiny().manifest

    assert manifest.name == b"guestbook"
    assert manifest.description == b"Judges an entry and answers it."
    assert (manifest.model, manifest.upgrade_delay) == (0, 86_400)
    assert manifest.cell_kind is CellKind.PER_CALLER
    assert (manifest.max_input, manifest.output_tokens) == (64, 64)
    assert (manifest.temperature, manifest.seed_rule) == (0, SeedRule.BATCH)


def test_immutable_named_and_a_constant_seed() -> None:
    seed = "0x" + "ab" * 32
    manifest = compile_tiny(
        ("86400", "immutable"), ("per_caller", "named"), ("seed: batch", f"seed: '{seed}'")
    ).manifest

    assert manifest.upgrade_delay == 2**40 - 1
    assert manifest.cell_kind is CellKind.NAMED
    assert (manifest.seed_rule, manifest.seed.hex()) == (SeedRule.CONSTANT, seed[2:])


# Rule: AUTHOR-10
def test_fields_have_types_roles_initial_values_and_sorted_options() -> None:
    assert compile_tiny().manifest.fields == (
        Field(
            b"mood",
            FieldType.ENUM,
            Role.WRITES,
            b"bad",
            options=(b"bad", b"good"),
            biases=(-2 * 65_536, 98_304),
        ),
        Field(b"reply", FieldType.STRING, Role.WRITES, b"none yet", limit=20),
        Field(b"open", FieldType.BOOLEAN, Role.COMPUTE, True, biases=(0, 0)),
        Field(b"total", FieldType.INTEGER, Role.COMPUTE, 0, low=-10, high=1_000, digits=4),
    )


# Rules: AUTHOR-3, AUTHOR-10
def test_arrays_begin_empty_and_have_the_type_of_their_items() -> None:
    manifest = compile_yaml(TAGS, model=build_tiny_model()).manifest

    assert [(f.type, f.element, f.items, f.initial) for f in manifest.fields] == [
        (FieldType.ARRAY, FieldType.ENUM, 3, ()),
        (FieldType.ARRAY, FieldType.STRING, 2, ()),
        (FieldType.ARRAY, FieldType.BOOLEAN, 4, ()),
        (FieldType.ARRAY, FieldType.INTEGER, 2, ()),
    ]
    moods, words, flags, marks = manifest.fields
    assert (moods.options, moods.biases) == ((b"bad", b"good"), (131_072, 65_536))
    assert words.limit == 5
    assert flags.biases == (32_768, -32_768)
    assert (marks.low, marks.high, marks.digits) == (-1, 19, 2)


# Rule: AUTHOR-9
def test_an_examples_arrays_are_what_the_decoder_would_write() -> None:
    model = build_tiny_model()
    text = model.vocabulary.join(compile_yaml(TAGS, model=model).manifest.segments[0].tokens)

    first = b'{"moods": ["good", "bad"], "words": ["a"], "flags": [], "marks": [3, -1]}'
    second = b'{"moods": [], "words": ["", "b]"], "flags": [true], "marks": [7]}'
    assert text == b"Entry hello paid\n%b\nEntry bye paid\n%b\nEntry " % (first, second)


# Rule: AUTHOR-7
def test_expressions_read_no_arrays() -> None:
    text = TAGS + "guards: [new.marks == 1]\n"
    with pytest.raises(InvalidYaml, match="'marks' is an array: expressions read integers"):
        compile_yaml(text, model=build_tiny_model())


# Rule: AUTHOR-14
def test_an_arrays_sizes_and_options_are_warned_of() -> None:
    model = build_tiny_model()
    assert compile_yaml(TAGS, model=model).warnings == ()
    short = compile_yaml(TAGS.replace("output_tokens: 130", "output_tokens: 129"), model=model)
    assert "has 130 bytes" in short.warnings[0]
    alike = TAGS.replace("[good, bad], biases: {good: 1, bad: 2}", "[good, gone, bad]")
    assert (
        "options of 'moods' begin with the same token (gone, good)"
        in (compile_yaml(alike, model=model).warnings[0])
    )


# Rule: AUTHOR-22
@pytest.mark.parametrize(
    ("text", "q16"),
    [
        *(("0", 0), ("0.0", 0), ("0.00000763", 1), ("0.7", 45_875), ("0.8", 52_429), ("1", 65_536)),
        *(("0.50000762", 32_768), ("0.50000763", 32_769), ("65535.99999", 2**32 - 1)),
    ],
)
def test_a_temperature_is_rounded_to_q16(text: str, q16: int) -> None:
    assert compile_tiny(("temperature: 0", f"temperature: {text}")).manifest.temperature == q16


# Rule: AUTHOR-23
@pytest.mark.parametrize(
    ("temperature", "seed", "warning"),
    [
        ("0.7", "batch", None),
        ("2", "batch", None),
        ("2.1", "batch", "above a temperature of 2"),
        ("0", "'0x" + "ab" * 32 + "'", "at temperature 0 no seed has an effect"),
        ("0.7", "'0x" + "ab" * 32 + "'", "whoever calls can try words"),
    ],
)
def test_odd_samplings_are_warned_of(temperature: str, seed: str, warning: str | None) -> None:
    edits = ("temperature: 0, seed: batch", f"temperature: {temperature}, seed: {seed}")
    warnings = compile_tiny(edits).warnings
    assert len(warnings) == (warning is not None)
    assert all("line 31" in found and str(warning) in found for found in warnings)


# Rule: AUTHOR-10
@pytest.mark.parametrize(
    ("text", "q16"),
    [("0", 0), ("-0.00001", -1), ("0.00000762", 0), ("0.00000763", 1), ("-1.25", -81_920)],
)
def test_a_bias_is_rounded_to_q16(text: str, q16: int) -> None:
    field = compile_tiny(("good: 1.5", f"good: {text}")).manifest.fields[0]

    assert field.biases[1] == q16


# Rule: AUTHOR-9
def test_segments_are_intro_examples_and_the_turn_up_to_the_output() -> None:
    model = build_tiny_model()
    segments = compile_tiny().manifest.segments

    assert [segment.kind for segment in segments] == [
        SegmentKind.LITERAL,
        SegmentKind.INPUT,
        SegmentKind.LITERAL,
        SegmentKind.VALUE,
        SegmentKind.LITERAL,
    ]
    assert spell(segments[0].tokens, model) == (
        "<|im_start|>system\nJudge entries.<|im_end|>\n"
        'Entry hello there paid 5\n{"mood": "good", "reply": "thanks"}\n'
        'Entry go away paid 0\n{"mood": "bad", "reply": "sorry"}\n'
        "Entry "
    )
    assert [spell(segments[i].tokens, model) for i in (2, 4)] == [" paid ", "\n"]


# Rule: AUTHOR-9
def test_an_examples_slots_are_greedy_and_its_literals_are_not() -> None:
    compiled = compile_tiny(("input: hello there", "input: her"), ("Judge entries.", "Judge her."))
    model = build_tiny_model()
    pieces = [model.vocabulary.tokens[t] for t in compiled.manifest.segments[0].tokens]
    h_er = [at for at in range(len(pieces)) if pieces[at : at + 2] == [b"h", b"er"]]
    he_r = [at for at in range(len(pieces)) if pieces[at : at + 2] == [b"he", b"r"]]

    assert (len(h_er), len(he_r)) == (1, 1)
    assert h_er < he_r


# Rule: AUTHOR-9
def test_an_examples_output_is_what_the_decoder_would_write(smollm: AuthorModel) -> None:
    manifest = compile_yaml(BALLOT.read_text(encoding="utf-8"), model=smollm).manifest
    output = decoding.tokenise_example(manifest.fields, {0: b"positive"}, smollm.vocabulary)
    prefix = manifest.prefix
    found = [at for at in range(len(prefix)) if prefix[at : at + len(output)] == output]

    assert len(found) == 2


def test_state_caller_and_time_slots_take_the_protocols_texts() -> None:
    caller = "0x" + "0a" * 20
    state = "state: {mood: bad, reply: hi, open: false, total: -3}"
    compiled = compile_tiny(
        ("paid {value}", "paid {value} {state} {caller} {time}"),
        ("value: 5,", f"value: 5, {state}, caller: '{caller}', time: 77,"),
        ("value: 0,", f"value: 0, {state}, caller: '{caller}', time: 78,"),
    )
    manifest = compiled.manifest
    json = schema.format_state(manifest.fields, (b"bad", b"hi", False, -3)).decode()

    assert f"paid 5 {json} {caller} 77\n" in spell(manifest.prefix, build_tiny_model())
    assert {segment.kind for segment in manifest.segments} == set(SegmentKind)


def test_doubled_braces_are_braces() -> None:
    manifest = compile_tiny(("Judge entries.", "Judge {{entries}}.")).manifest

    assert "Judge {entries}." in spell(manifest.prefix, build_tiny_model())


def test_a_prompt_without_examples_ends_where_the_output_begins() -> None:
    start, end = BASE.index("  examples:"), BASE.index("state:")
    manifest = compile_yaml(BASE[:start] + BASE[end:], model=build_tiny_model()).manifest

    assert spell(manifest.prefix, build_tiny_model()).endswith("<|im_end|>\nEntry ")


# Rule: AUTHOR-13
def test_fixed_positions_are_the_fewest_the_parser_takes() -> None:
    compiled = compile_tiny(("paid {value}", "paid {value} {state} {caller} {time}"), *FILLED)
    manifest, limits = compiled.manifest, build_tiny_model().limits
    at = 18  # version 1, model 2, cell 1, delay 5, temperature 4, seed rule 1, input 2, output 2
    data = bytearray(compiled.data)
    assert int.from_bytes(data[at : at + 2], "big") == manifest.fixed_positions
    data[at : at + 2] = (manifest.fixed_positions - 1).to_bytes(2, "big")

    with pytest.raises(Invalid, match="MANIFEST-26"):
        parse_manifest(bytes(data), limits)


FILLED = tuple(
    (
        f"value: {value},",
        f"value: {value}, caller: '0x{'00' * 20}', time: 0, "
        "state: {mood: bad, reply: '', open: true, total: 0},",
    )
    for value in (5, 0)
)


# Rules: AUTHOR-7, AUTHOR-11
def test_computes_come_before_guards_and_do_what_they_say() -> None:
    manifest = compile_tiny().manifest
    old = (b"bad", b"", True, 899)

    assert [expression.target for expression in manifest.expressions] == [3, 2, None, None]
    merged = expressions.merge_values(
        manifest, old, {0: b"good", 1: b"x"}, caller=1, value=5, time=0
    )
    assert merged.values == (b"good", b"x", False, 900)
    assert merged.code == 0
    refused = expressions.merge_values(
        manifest, old, {0: b"good", 1: b"x"}, caller=1, value=4, time=0
    )
    assert (refused.code.name, refused.detail) == ("GUARD", 3)


def test_bytes_are_canonical_and_the_same_every_time() -> None:
    first, second = compile_tiny(), compile_tiny()

    assert first == second
    assert encode_manifest(first.manifest) == first.data
    assert parse_manifest(first.data, build_tiny_model().limits) == first.manifest


# Rule: AUTHOR-14
@pytest.mark.parametrize(
    ("edits", "warning"),
    [
        (
            (
                ("options: [good, bad]", "options: [good, bad, better]"),
                ("good: 1.5,", "better: 0, good: 1.5,"),
            ),
            "line 16, column 1: options of 'mood' begin with the same token (bad, better)",
        ),
        (
            (("output_tokens: 64", "output_tokens: 48"),),
            "line 28, column 1: the longest output has 49 bytes",
        ),
        (
            (("input_bytes: 64", "input_bytes: 1024"), ("output_tokens: 64", "output_tokens: 900")),
            "line 28, column 1: fixed positions and the longest input may take",
        ),
    ],
)
def test_what_is_allowed_but_hardly_meant_is_warned_of(
    edits: tuple[tuple[str, str], ...], warning: str
) -> None:
    warnings = compile_tiny(*edits).warnings

    assert len(warnings) == 1
    assert warnings[0].startswith(warning)


def test_the_ballot_compiles_without_warnings(smollm: AuthorModel) -> None:
    compiled = compile_yaml(BALLOT.read_text(encoding="utf-8"), model=smollm)

    assert compiled.warnings == ()
    assert compiled.manifest.written == (0,)
    assert compiled.manifest.fixed_positions <= 128
    assert len(compiled.data) < 1_024


# Rule: AUTHOR-1
def test_places_are_right_in_quoted_and_block_texts() -> None:
    for prompt, place in (
        ("'Say {inptu}{output}'", (10, 14)),
        ('"Say {inptu}{output}"', (10, 14)),
        ("Say {inptu}{output}", (10, 13)),
        ('"\\x53ay {inptu}{output}"', (10, 9)),  # an escape: the text's own place
        (">\n    Say {inptu}{output}", (10, 9)),
        ("|-\n\n      Say\n      {inptu}{output}", (13, 7)),
    ):
        text = BASE.replace("|\n    Entry {input} paid {value}\n    {output}", prompt)
        with pytest.raises(InvalidYaml) as caught:
            compile_yaml(text, model=build_tiny_model())
        assert (caught.value.line, caught.value.column) == place, prompt
