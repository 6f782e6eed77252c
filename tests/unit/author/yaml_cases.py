"""A YAML file that compiles, and wrong ones: (what to replace, by what, line, column, hint)."""

from __future__ import annotations

BASE = """\
name: guestbook
description: Judges an entry and answers it.
model: 0
upgrade: 86400
cell: per_caller
prompt:
  intro: |
    <|im_start|>system
    Judge entries.<|im_end|>
  turn: |
    Entry {input} paid {value}
    {output}
  examples:
    - {input: hello there, value: 5, output: {mood: good, reply: thanks}}
    - {input: go away, value: 0, output: {mood: bad, reply: sorry}}
state:
  mood: {type: enum, options: [good, bad], initial: bad, biases: {good: 1.5, bad: -2}}
  reply: {type: string, limit: 20, initial: none yet}
  open: {type: boolean, initial: true}
  total: {type: integer, low: -10, high: 1_000, initial: 0}
writes: [mood, reply]
compute:
  total: old.total + (new.mood == good)
  open: old.open and new.total < 900
guards:
  - old.open or caller == 0xff
  - value >= 5
limits:
  input_bytes: 64
  output_tokens: 64
sampling: {temperature: 0, seed: batch}
"""

#: Arrays of all four kinds, written by the model.
TAGS = """\
name: tags
model: 0
upgrade: immutable
cell: shared
prompt:
  turn: |
    Entry {input} paid
    {output}
  examples:
    - {input: hello, output: {moods: [good, bad], words: [a], flags: [], marks: [3, -1]}}
    - input: bye
      output:
        moods: []
        words: ["", "b]"]
        flags: [true]
        marks:
          - 7
state:
  moods: {type: array, items: 3, of: {type: enum, options: [good, bad], biases: {good: 1, bad: 2}}}
  words: {type: array, items: 2, of: {type: string, limit: 5}}
  flags: {type: array, items: 4, of: {type: boolean, biases: {false: 0.5, true: -0.5}}}
  marks: {type: array, items: 2, of: {type: integer, low: -1, high: 19}}
writes: [moods, words, flags, marks]
limits: {input_bytes: 64, output_tokens: 130}
"""

STRING = "{type: string, limit: 20, initial: none yet}"
TOTAL = "{type: integer, low: -10, high: 1_000, initial: 0}"

Case = tuple[str, str, int, int, str]

CASES: tuple[Case, ...] = (
    # Keys.
    ("prompt:", "prompts:", 6, 1, "did you mean 'prompt'?"),
    ("name: guestbook\n", "", 1, 1, "add a line 'name: ballot'"),
    ("name: guestbook", "name: guestbook\nname: twice", 2, 1, "first in line 1"),
    ("  turn: |", "  turns: |", 10, 3, "did you mean 'turn'?"),
    ("limit: 20", "limits: 20", 18, 25, "did you mean 'limit'?"),
    ("limits:\n  input_bytes: 64\n  output_tokens: 64\n", "limits: 64\n", 28, 9, "is a mapping"),
    # Values.
    ("model: 0", "model: zero", 3, 8, "whole number in plain digits"),
    ("model: 0", "model: 65536", 3, 8, "between 0 and 65535"),
    ("model: 0", "model: [0]", 3, 8, "is one value"),
    ("upgrade: 86400", "upgrade: imutable", 4, 10, "immutable, or a delay in seconds"),
    ("cell: per_caller", "cell: per_user", 5, 7, "did you mean 'per_caller'?"),
    ("name: guestbook", 'name: ""', 1, 7, "1 to 64 are allowed"),
    ("name: guestbook", "name: guest\\book", 1, 12, "backslashes"),
    ("entry and answers", 'entry "and" answers', 2, 30, "double quotes"),
    ("entry and answers", "entry \U00040000 answers", 2, 30, "no tokens for"),
    ("output_tokens: 64", "output_tokens: 0", 30, 18, "between 1 and 2046"),
    ("input_bytes: 64", "input_bytes: 1025", 29, 16, "between 0 and 1024"),
    ("temperature: 0", "temperature: -0.7", 31, 25, "between 0 and 65535"),
    ("temperature: 0", "temperature: 65536", 31, 25, "between 0 and 65535"),
    ("temperature: 0", "temperature: 65535.999999", 31, 25, "between 0 and 65535"),
    ("temperature: 0", "temperature: 0.000001", 31, 25, "write 0 for the best token"),
    ("temperature: 0", "temperature: warm", 31, 25, "a decimal number like 0.7"),
    ("temperature: 0", "temperature: '0.7'", 31, 25, "a decimal number like 0.7"),
    ("seed: batch", "seed: 0x12", 31, 34, "64 lower-case hex digits"),
    # Prompt.
    ("paid {value}", "paid {values}", 11, 24, "did you mean 'value'?"),
    ("paid {value}", "paid {value", 11, 24, "write it twice"),
    ("paid {value}", "paid }", 11, 24, "write it twice"),
    ("paid {value}", "paid {input}", 11, 24, "a slot is used once"),
    ("    {output}\n", "    bye\n", 10, 9, "put it where the answer begins"),
    ("    {output}\n", "    {output} {time}\n", 12, 14, "put it before"),
    ("Judge entries.<|im_end|>", "Judge {output}", 9, 11, "put it in 'turn'"),
    ("Judge entries.<|im_end|>", "Judge entries.<|im_edn|>", 9, 19, "did you mean 'im_end'?"),
    ("Judge entries.", "Judge \U00040000.", 9, 11, "leave it out"),
    ("mood: good, reply: thanks", "mood: god, reply: thanks", 14, 53, "did you mean 'good'?"),
    ("mood: good, reply: thanks", "mood: good", 14, 46, "has no 'reply'"),
    ("value: 0, output", "value: -1, output", 15, 31, "between 0 and"),
    ("{input: go away, value: 0", "{input: go away", 15, 7, "has no 'value'"),
    ("reply: sorry", "reply: sorry sorry sorry sorry", 15, 61, "0 to 20 are allowed"),
    ("input: go away", 'input: "go\\taway"', 15, 15, "write it on one line"),
    ("input: go away", "input: " + "go " * 24 + "on", 15, 15, "'limits' allows 64"),
    # State.
    ("type: enum", "type: enun", 17, 16, "did you mean 'enum'?"),
    ("type: string", "type: array", 18, 35, "leave 'initial' out"),
    (STRING, "{type: array, of: {type: string, limit: 9}}", 18, 10, "has no 'items'"),
    (STRING, "{type: array, items: 3}", 18, 10, "has no 'of'"),
    (STRING, "{type: array, items: 65, of: {type: boolean}}", 18, 31, "between 1 and 64"),
    (STRING, "{type: array, items: 0, of: {type: boolean}}", 18, 31, "between 1 and 64"),
    (STRING, "{type: array, items: 3, of: {type: array}}", 18, 45, "an array holds no arrays"),
    (STRING, "{type: array, items: 3, of: boolean}", 18, 38, "is a mapping"),
    (STRING, "{type: array, items: 3, of: {limit: 9}}", 18, 38, "has no 'type'"),
    (
        STRING,
        "{type: array, items: 3, limit: 9, of: {type: string}}",
        18,
        34,
        "unknown key 'limit'",
    ),
    (STRING, "{type: array, items: 3, of: {type: string}}", 18, 38, "has no 'limit'"),
    (STRING, "{type: array, items: 3, of: {type: boolean, initial: true}}", 18, 54, "begins empty"),
    (STRING, "{type: array, items: 3, of: {type: enum, options: []}}", 18, 60, "is empty"),
    (STRING, "{type: array, items: 1, of: {type: string, limit: 9}}", 14, 66, "is a list"),
    ("reply: thanks", "reply: [a, thanks]", 14, 66, "is one value"),
    (TOTAL, "{type: array, items: 3, of: {type: boolean}}", 20, 10, "expressions compute numbers"),
    (TOTAL, "{type: string, limit: 3}", 20, 10, "expressions compute numbers"),
    ("initial: bad,", "initial: god,", 17, 53, "did you mean 'good'?"),
    ("options: [good, bad]", "options: [good, good]", 17, 38, "stands twice"),
    ("options: [good, bad]", "options: good", 17, 31, "is a list"),
    ("good: 1.5", "good: 1,5", 17, 75, "unknown key '5'"),
    ("good: 1.5", "good: x", 17, 73, "decimal number like -1.25"),
    ("good: 1.5", "good: 40000", 17, 73, "within ±32767"),
    ("limit: 20", "limit: 513", 18, 32, "between 0 and 512"),
    ("initial: none yet", "initial: nothing to see here yet", 18, 45, "0 to 20 are allowed"),
    ("initial: true", "initial: yes", 19, 34, "write one of: false, true"),
    ("low: -10, high: 1_000, initial: 0", "low: 5, high: 1, initial: 5", 20, 40, "between 5 and"),
    ("low: -10", "low: -1e3", 20, 31, "whole number in plain digits"),
    ("state:", "state:\n  a name of more than thirty-two bytes: x", 17, 3, "1 to 32 are allowed"),
    # Roles.
    ("writes: [mood, reply]", "writes: [mod, reply]", 21, 10, "did you mean 'mood'?"),
    ("writes: [mood, reply]", "writes: [mood, reply, total]", 23, 3, "decided twice"),
    ("writes: [mood, reply]", "writes: [mood, mood]", 21, 16, "decided twice"),
    ("writes: [mood, reply]", "writes: []", 21, 9, "name at least one"),
    ("  open: old", "  reply: old", 24, 3, "decided twice"),
    ("  total: old", "  totl: old", 23, 3, "did you mean 'total'?"),
    # Expressions.
    ("old.total +", "old.totl +", 23, 10, "did you mean 'total'?"),
    ("== good", "== god", 23, 35, "did you mean 'good'?"),
    ("== good", "= good", 23, 32, "write '==' to compare"),
    ("== good)", "== good", 23, 22, "is not closed"),
    ("old.total +", "old.total + +", 23, 22, "where a value is expected"),
    ("old.total +", "old.reply +", 23, 10, "is a string"),
    ("old.total +", "old.mood +", 23, 10, "counts as 0 or 1"),
    ("old.open and", "old.open &&", 24, 18, "write 'and'"),
    ("new.total < 900", "new.total", 24, 22, "compare it: x != 0"),
    ("new.total < 900", "1 < new.total < 900", 24, 36, "do not chain"),
    ("new.total < 900", "new.mood < bad", 24, 31, "options have no order"),
    ("new.total < 900", "maximum(1, 2)", 24, 22, "min(a, b) and max(a, b)"),
    ("new.total < 900", "max(new.total) > 2", 24, 22, "at least two values"),
    ("new.total < 900", "(new.open if old.total)", 24, 44, "needs 'else b'"),
    ("value >= 5", "value", 27, 5, "compare it: x != 0"),
    ("value >= 5", "values >= 5", 27, 5, "did you mean 'value'?"),
    ("value >= 5", "total >= 5", 27, 5, "did you mean 'new.total'?"),
    ("value >= 5", f"value >= {2**255}", 27, 14, "at most 255 bits"),
    ("value >= 5", "value >= 10 ** 18", 27, 17, "write the number out"),
    ("value >= 5", "value >= 5 $", 27, 16, "does not belong here"),
    # YAML itself.
    ("name: guestbook", "name: &a guestbook", 1, 7, "anchors"),
    ("name: guestbook", "name: !!str guestbook", 1, 7, "tags"),
    ("name: guestbook", "name: guest: book", 1, 12, "in quotes"),
    ("limits:", "limits: [", 30, 16, "this is not YAML"),
    ("limits:", "---\nlimits:", 28, 1, "a second document"),
)
