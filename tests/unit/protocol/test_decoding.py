"""Decoding: what is forced, sampled and chosen, where it ends, and what the session sees."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from oyez.protocol import manifest_layout, schema
from oyez.protocol.decoding import Decoded, StepKind, decode, tokenise_example
from oyez.protocol.errors import Invalid
from oyez.protocol.machine import Machine, Phase
from oyez.protocol.types import Code, Field, FieldType, Role, Scalar, Value
from oyez.protocol.vocabulary import Vocabulary
from tests.manifests import random_fields
from tests.scripted_session import ADVERSARIES, VOCABULARY, ScriptedSession, build_adversary
from tests.unit.protocol.test_machine import BOOLEAN, after, array, choice, integer, text

SEED = int(os.environ.get("OYEZ_SEED", "1"))


def run(
    fields: Sequence[Field],
    session: ScriptedSession,
    limit: int = 1_000,
    vocabulary: Vocabulary = VOCABULARY,
) -> Decoded:
    """Decode over these fields."""
    return decode(Machine(fields, vocabulary.missing), vocabulary, session, limit)


def prefer(*texts: bytes) -> ScriptedSession:
    """Return a session that likes these tokens most, the first most of all."""

    def score(at: int, token: int) -> int:
        del at
        data = VOCABULARY.bytes_of(token)
        return len(texts) - texts.index(data) if data in texts else 0

    return ScriptedSession(score)


def spell(decoded: Decoded, kind: StepKind | None = None) -> list[bytes]:
    """Return the bytes of the tokens of one kind."""
    return [VOCABULARY.bytes_of(s.token) for s in decoded.steps if kind in (None, s.kind)]


def follow(expected: Sequence[int]) -> ScriptedSession:
    """Return a session that wants exactly these tokens, whatever the biases."""
    return ScriptedSession(
        lambda at, token: 2**40 if at < len(expected) and token == expected[at] else 0
    )


def test_forced_runs_are_greedy_on_their_own() -> None:
    """Rule: DECODE-12: braces, keys and commas are appended unsampled, in one go."""
    session = prefer(b"abc", b'"')
    decoded = run([text(3), text(3, b"t")], session)
    assert decoded.output == b'{"s": "abc", "t": "abc"}'
    assert spell(decoded) == [
        *(b'{"', b"s", b'": ', b'"', b"abc"),
        *(b'", "', b"t", b'": ', b'"', b"abc", b'"}'),
    ]
    assert spell(decoded, StepKind.SAMPLED) == [b"abc", b"abc"]
    assert [len(extension) for extension in session.extensions] == [4, 5, 2]
    assert session.asked == 2
    assert decoded.code is Code.NONE
    assert decoded.detail == 0


def test_a_sampled_quote_ends_the_string_and_the_rest_is_forced() -> None:
    """Rule: DECODE-12."""
    decoded = run([text(9)], prefer(b'od"'))
    assert spell(decoded)[-2:] == [b'od"', b"}"]
    assert decoded.output == b'{"s": "od"}'


def test_steps_tell_state_and_length_after_each_token() -> None:
    """Rule: DECODE-12."""
    fields = [choice(b"good", b"spam"), integer(0, 99), text(4)]
    decoded = run(fields, prefer(b"12", b"abc"))
    machine = Machine(fields, VOCABULARY.missing)
    assert decoded.tokens == tuple(step.token for step in decoded.steps)
    assert VOCABULARY.join(decoded.tokens) == decoded.output
    for step in decoded.steps:
        assert after(machine, decoded.output[: step.output_length]) == step.state_after
    assert decoded.steps[-1].state_after.phase is Phase.END


def test_an_option_is_chosen_by_its_canonical_tokens() -> None:
    """Rule: DECODE-9: `good"` is go + od", `spam"` is spam + "."""
    fields = [choice(b"good", b"spam")]
    first = run(fields, prefer(b"good", b"spam"))
    assert spell(first)[-3:] == [b"good", b'"', b"}"]
    assert [step.kind for step in first.steps[-3:]] == [
        StepKind.CHOSEN,
        StepKind.FORCED,
        StepKind.FORCED,
    ]
    session = prefer(b"spa", b"spam")
    assert run(fields, session).output == b'{"e": "spam"}'
    assert session.asked == 1


def test_options_share_tokens_until_they_part() -> None:
    """Rule: DECODE-9: no question where all options left share the next token."""
    fields = [choice(b"good", b"good day", b"goodly")]
    session = prefer(b" day")
    decoded = run(fields, session)
    assert decoded.output == b'{"e": "good day"}'
    assert spell(decoded, StepKind.CHOSEN) == [b"good", b" day"]
    assert session.asked == 1
    alone = prefer()
    assert run([choice(b"good")], alone).output == b'{"e": "good"}'
    assert alone.asked == 0


def biased(field: Field, *biases: int) -> Field:
    """Return the field with these biases."""
    return Field(
        field.name, field.type, field.role, field.initial, options=field.options, biases=biases
    )


@pytest.mark.parametrize(
    ("biases", "logits", "output"),
    [
        ((0, 0), (5, 5), b"good"),
        ((0, 1), (5, 5), b"spam"),
        ((0, 2**31 - 1), (2**31 - 1, 0), b"good"),
        ((0, 2**31 - 1), (2**31 - 2, 0), b"spam"),
        ((-(2**31), 0), (2**31 - 1, 0), b"spam"),
        ((2**31 - 1, 2**31 - 1), (2**31 - 2, 2**31 - 1), b"spam"),
    ],
)
def test_scores_are_logit_plus_bias_exactly(
    biases: tuple[int, int], logits: tuple[int, int], output: bytes
) -> None:
    """Rule: DECODE-9: not saturated; ties go to the lowest token id."""
    good, spam = (VOCABULARY.ids_by_bytes[text][0] for text in (b"good", b"spam"))
    assert good < spam
    session = ScriptedSession(lambda at, token: logits[0] if token == good else logits[1])
    decoded = run([biased(choice(b"good", b"spam"), *biases)], session)
    assert decoded.output == b'{"e": "' + output + b'"}'


def test_the_highest_bias_among_options_sharing_a_token_counts_at_every_step() -> None:
    """Rule: DECODE-9."""
    field = choice(b"good day", b"goodly", b"spam")
    flat = ScriptedSession(lambda at, token: 0)
    assert run([biased(field, -9, 3, 2)], flat).output == b'{"e": "goodly"}'
    assert run([biased(field, 3, -9, 2)], flat).output == b'{"e": "good day"}'
    assert run([biased(field, 1, 1, 2)], flat).output == b'{"e": "spam"}'


def test_booleans_are_chosen_whole() -> None:
    """Rule: DECODE-9."""
    fields = [biased(BOOLEAN, 4, 3), BOOLEAN]
    decoded = run([fields[0], integer(1, 9)], ScriptedSession(lambda at, token: 0))
    assert decoded.output.startswith(b'{"b": false, "n": ')
    assert spell(decoded, StepKind.CHOSEN) == [b"false"]
    true = VOCABULARY.ids_by_bytes[b"true"]
    assert len(true) == 2  # the one with the higher id is not canonical
    assert run([BOOLEAN], follow([0] * 3 + [true[1]])).tokens[3] != true[1]
    assert run([BOOLEAN], prefer(b"true")).tokens[3] == true[0]


def test_an_array_of_strings_opens_ends_and_goes_on() -> None:
    """Rule: DECODE-13: a first token may hold the quote and more; commas and brackets are alone."""
    fields = [array(2, text(4)), BOOLEAN]
    session = prefer(b'"ab"', b"abc", b",")
    decoded = run(fields, session)
    assert decoded.output == b'{"a": ["ab", "abc,"], "b": true}'
    assert spell(decoded, StepKind.SAMPLED) == [b'"ab"', b",", b"abc", b","]
    empty = run(fields, prefer(b"]"))
    assert empty.output == b'{"a": [], "b": true}'
    assert spell(empty, StepKind.SAMPLED) == [b"]"]


def test_an_array_of_options_opens_with_the_quote_alone() -> None:
    """Rules: DECODE-9, DECODE-13: the biases of the options count in every item."""
    field = array(3, replace(choice(b"good", b"spam"), biases=(0, 3)))
    decoded = run([field], prefer(b'"', b","))
    assert decoded.output == b'{"a": ["spam", "spam", "spam"]}'
    assert spell(decoded, StepKind.SAMPLED) == [b'"', b",", b","]
    assert spell(decoded, StepKind.CHOSEN) == [b"spam"] * 3
    # no bias of the options counts against the bracket
    assert run([field], prefer(b"]", b'"')).output == b'{"a": []}'


@pytest.mark.parametrize(
    ("biases", "first", "output"),
    [
        ((0, 0), {b"]": 1}, b"[]"),
        ((2, 0), {b"]": 1}, b"[false]"),
        ((0, 2), {b"]": 1}, b"[true]"),
        ((-5, -5), {b"true": 4}, b"[]"),
        ((-5, -3), {b"true": 4}, b"[true]"),
    ],
)
def test_a_first_boolean_is_chosen_together_with_the_end(
    biases: tuple[int, int], first: dict[bytes, int], output: bytes
) -> None:
    """Rules: DECODE-9, DECODE-13: the bracket has bias 0; later items are two options again."""
    session = ScriptedSession(lambda at, token: first.get(VOCABULARY.bytes_of(token), 0))
    decoded = run([array(1, replace(BOOLEAN, biases=biases))], session)
    assert decoded.output == b'{"a": ' + output + b"}"
    assert [step.kind for step in decoded.steps].count(StepKind.CHOSEN) == 1
    assert session.asked == 1


def test_later_booleans_are_between_two() -> None:
    """Rules: DECODE-9, DECODE-13."""
    session = prefer(b",", b"true", b"]")
    decoded = run([array(3, BOOLEAN)], session)
    assert decoded.output == b'{"a": [true, true, true]}'
    assert spell(decoded, StepKind.SAMPLED) == [b",", b","]
    assert run([array(3, BOOLEAN)], prefer(b"true", b"]")).output == b'{"a": [true]}'


def test_an_array_of_integers_takes_the_byte_after_with_the_last_digit() -> None:
    """Rules: DECODE-8, DECODE-13."""
    decoded = run([array(2, integer(0, 99)), BOOLEAN], prefer(b"0,", b"7]", b"1,"))
    assert decoded.output == b'{"a": [0, 7], "b": true}'
    assert spell(decoded, StepKind.SAMPLED) == [b"0,", b"7]"]
    assert run([array(2, integer(0, 99))], prefer(b"]")).output == b'{"a": []}'
    forced = run([array(3, integer(7, 7))], prefer(b"7", b","))
    assert forced.output == b'{"a": [7, 7, 7]}'
    assert spell(forced, StepKind.SAMPLED) == [b"7", b",", b","]


@pytest.mark.parametrize(
    ("element", "items"),
    [
        (text(9), (b"ab", b"", b"the qu")),
        (choice(b"good", b"good day", b"spam"), (b"good day", b"spam", b"good")),
        (BOOLEAN, (True, False, False)),
        (integer(-99, 99), (12, -1, 0)),
    ],
)
def test_tokens_may_run_out_at_every_place_of_an_array(
    element: Field, items: tuple[Scalar, ...]
) -> None:
    """Rules: DECODE-10, DECODE-11, DECODE-13: the detail is the array's until its bracket."""
    kept = Field(b"k", FieldType.BOOLEAN, Role.KEPT, False)
    fields = [kept, array(3, element), kept, BOOLEAN]
    example = tokenise_example(fields, {1: items, 3: True}, VOCABULARY)
    whole = run(fields, follow(example))
    assert whole.tokens == example
    assert whole.code is Code.NONE
    for limit in range(len(example)):
        cut = run(fields, follow(example), limit)
        assert (cut.code, cut.tokens) == (Code.OUT_OF_TOKENS, example[:limit])
        assert cut.output == VOCABULARY.join(example[:limit])
        # no item here holds a bracket
        assert cut.detail == (3 if b"]" in cut.output else 1)


FIELDS = [text(4), choice(b"good", b"spam"), BOOLEAN, integer(0, 99)]


def test_every_token_counts_against_the_limit() -> None:
    """Rules: DECODE-10, DECODE-11: at each limit the output is the same, cut."""
    example = tokenise_example(FIELDS, {0: b"abc", 1: b"good", 2: False, 3: 12}, VOCABULARY)
    whole = run(FIELDS, follow(example))
    assert whole.output == b'{"s": "abc", "e": "good", "b": false, "n": 12}'
    assert run(FIELDS, follow(example), len(whole.tokens)) == whole
    for limit in range(len(whole.tokens)):
        session = follow(example)
        cut = run(FIELDS, session, limit)
        assert cut.code is Code.OUT_OF_TOKENS
        assert cut.tokens == session.tokens == whole.tokens[:limit]
        assert cut.steps == whole.steps[:limit]
        assert cut.output == VOCABULARY.join(cut.tokens)
        ended = [b'"abc"', b'"good"', b"false", b"12}"]
        expected = [index for index, end in enumerate(ended) if end not in cut.output]
        assert cut.detail == expected[0]


def test_detail_is_the_last_field_when_all_have_ended() -> None:
    """Rule: DECODE-11."""
    kept = Field(b"k", FieldType.BOOLEAN, Role.KEPT, False)
    fields = [kept, text(9), kept]
    whole = run(fields, prefer(b'od"'))
    cut = run(fields, prefer(b'od"'), len(whole.tokens) - 1)
    assert [cut.output, cut.code, cut.detail] == [b'{"s": "od"', Code.OUT_OF_TOKENS, 1]


def test_an_output_may_be_cut_inside_a_character() -> None:
    """Rule: DECODE-10."""
    cut = run([text(9)], prefer(b"\xe6\x97"), 5)
    assert cut.output == b'{"s": "\xe6\x97'
    assert [cut.code, cut.detail] == [Code.OUT_OF_TOKENS, 0]


def test_an_empty_mask_ends_the_output() -> None:
    """Rule: DECODE-10."""
    letters = Vocabulary([bytes([byte]) for byte in b'{"s: }n'])
    session = ScriptedSession(lambda at, token: 0)
    decoded = run([integer(1, 20)], session, vocabulary=letters)
    assert [decoded.output, decoded.code, decoded.detail] == [b'{"n": ', Code.OUT_OF_TOKENS, 0]
    assert session.tokens == decoded.tokens


def test_a_single_allowed_token_needs_no_model() -> None:
    """Rule: DECODE-12."""
    only = Vocabulary([bytes([byte]) for byte in b'{"n: }1'])
    session = ScriptedSession(lambda at, token: 0)
    decoded = run([integer(1, 12)], session, vocabulary=only)
    assert session.asked == 1  # after the 1: another 1, or the brace
    assert decoded.steps[6].kind is StepKind.SAMPLED
    assert decoded.output in (b'{"n": 1}', b'{"n": 11}')


def test_a_mask_that_leaves_the_schema_is_caught() -> None:
    """Rule: DECODE-1."""
    machine = Machine([integer(1, 5)], VOCABULARY.missing)
    with pytest.raises(Invalid, match="leaves the schema"):
        decode(
            machine,
            VOCABULARY,
            ScriptedSession(lambda at, token: 0),
            99,
            lambda machine, state, vocabulary: [vocabulary.ids_by_bytes[b"9"][0]],
        )


def random_scalar(rng: random.Random, field: Field) -> Scalar:
    """Return a value of a scalar field, or of an array's item."""
    if field.base is FieldType.STRING:
        pieces = b"".join(
            rng.choice([b"a", b"the ", b"qu", "日本".encode(), "é".encode(), b"zz", b"ab", b"]"])
            for _ in range(rng.randint(0, 9))
        )
        cut = pieces[: rng.choice([field.limit, rng.randint(0, field.limit)])]
        return cut.decode("utf-8", "ignore").encode()
    if field.base is FieldType.ENUM:
        return rng.choice(field.options)
    if field.base is FieldType.BOOLEAN:
        return rng.random() < 0.5
    return rng.choice([field.low, field.high, rng.randint(field.low, field.high)])


def random_values(rng: random.Random, fields: Sequence[Field]) -> dict[int, Value]:
    """Return a value for each written field."""
    values: dict[int, Value] = {}
    for index, field in enumerate(fields):
        if field.role is not Role.WRITES:
            continue
        if field.type is FieldType.ARRAY:
            count = rng.choice([0, 1, field.items, rng.randint(0, field.items)])
            values[index] = tuple(random_scalar(rng, field) for _ in range(count))
        else:
            values[index] = random_scalar(rng, field)
    return values


def test_examples_are_what_the_decoder_would_produce() -> None:
    """Rule: TOKENS-4: a model that wants the example's tokens gets exactly them."""
    rng = random.Random(SEED)
    for _ in range(150):
        fields = random_fields(rng, most=6)
        values = random_values(rng, fields)
        example = tokenise_example(fields, values, VOCABULARY)
        assert VOCABULARY.join(example) == schema.format_output(fields, values)
        assert run(fields, follow(example)).tokens == example


def test_an_examples_free_value_and_terminator_are_one_run() -> None:
    """Rule: TOKENS-4: `abc"` is abc and ", not ab and c"; but a forced end stays apart."""
    free = tokenise_example([text(9)], {0: b"abc"}, VOCABULARY)
    assert [VOCABULARY.bytes_of(token) for token in free][-3:] == [b"abc", b'"', b"}"]
    od = tokenise_example([text(9), BOOLEAN], {0: b"od", 1: True}, VOCABULARY)
    assert b'od"' in [VOCABULARY.bytes_of(token) for token in od]
    full = tokenise_example([text(3)], {0: b"abc"}, VOCABULARY)
    assert [VOCABULARY.bytes_of(token) for token in full][-2:] == [b"abc", b'"}']


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (text(2), b"abc"),
        (text(9), b'a"b'),
        (text(9), b"\xff"),
        (choice(b"good", b"spam"), b"bad"),
        (choice(b"good", b"spam"), b"goo"),
        (integer(0, 9), 10),
        (integer(0, 9), -1),
        (integer(7, 7), 8),
        (text(0), b"a"),
        (array(1, text(3)), (b"a", b"b")),
        (array(2, text(3)), (b"a", b"long")),
        (array(2, choice(b"good", b"spam")), (b"good", b"bad")),
        (array(1, BOOLEAN), (True, True)),
        (array(2, integer(0, 9)), (1, 10)),
        (array(2, integer(0, 9)), (1, 2, 3)),
    ],
)
def test_examples_outside_the_schema_are_refused(field: Field, value: Value) -> None:
    """Rule: TOKENS-4."""
    values: Mapping[int, Value] = {0: value}
    with pytest.raises(Invalid) as caught:
        tokenise_example([field], values, VOCABULARY)
    assert caught.value.rule == "TOKENS-4"


def test_adversaries_never_leave_the_schema() -> None:
    """Rules: DECODE-1, DECODE-10, DECODE-12: 1,000 random schemas against five adversaries."""
    rng = random.Random(SEED)
    ends: Counter[str] = Counter()
    for number in range(1_000):
        fields = random_fields(rng, most=6)
        bound = manifest_layout.compute_output_bytes(fields)
        limit = rng.choice([bound, bound, bound, rng.randint(1, max(2, bound // 2))])
        session = ScriptedSession(build_adversary(ADVERSARIES[number % 5], rng.getrandbits(32)))
        decoded = run(fields, session, limit)
        assert session.tokens == decoded.tokens
        assert VOCABULARY.join(decoded.tokens) == decoded.output
        assert len(decoded.output) <= bound
        assert len(decoded.tokens) <= limit
        ends[decoded.code.name] += 1
        ends["arrays"] += b": [" in decoded.output
        if decoded.code is Code.NONE:
            values = schema.parse_output(fields, decoded.output)
            assert schema.format_output(fields, values) == decoded.output
            # an array is counted two bytes longer than its longest text
            arrays = sum(f.type is FieldType.ARRAY for f in fields if f.role is Role.WRITES)
            assert len(decoded.output) <= bound - 2 * arrays
            ends["at the declared bytes"] += len(decoded.output) == bound - 2 * arrays
        else:
            assert len(decoded.tokens) == limit
            assert fields[decoded.detail].role is Role.WRITES
    assert ends["NONE"] > 700
    assert ends["arrays"] > 300
    assert ends["OUT_OF_TOKENS"] > 50
    assert ends["at the declared bytes"] > 0
