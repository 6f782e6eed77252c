"""Sets a choice's biases from unlabelled inputs and writes them back into the YAML.

A small model prefers some words whatever it reads. Contextual calibration (Zhao et al. 2021,
arXiv 2102.09690) measures that preference and takes it away: an option's bias is minus its mean
logit over sample inputs. The sample should be balanced: an option rare in it is overrated after.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from oyez.author.compiler import compile_yaml
from oyez.author.judging import Judge, get_options
from oyez.author.tokenizer import AuthorModel
from oyez.author.yaml_tree import Document, InvalidYaml, MapNode, parse_yaml
from oyez.engines.base import Engine
from oyez.protocol import decoding, masks
from oyez.protocol.errors import Invalid

_LEAST_SAMPLES = 2


@dataclass(frozen=True, slots=True)
class Calibration:
    """New biases and the YAML that holds them.

    Attributes:
        field: name of the calibrated choice.
        biases: Q16, by option.
        samples: how many inputs they are made from: of an array those that had a first item.
        text: the author's YAML with only the biases changed.
    """

    field: str
    biases: dict[str, int]
    samples: int
    text: str


def calibrate_yaml(
    text: str,
    samples: Sequence[str],
    *,
    model: AuthorModel,
    engine: Engine,
    allowed: decoding.Allowed = masks.allowed_tokens,
    progress: Callable[[int, int], None] | None = None,
) -> Calibration:
    """Return the YAML with biases made from these inputs.

    The biases it had do not matter: logits are without them.

    Args:
        text: the action's YAML.
        samples: unlabelled inputs, at least 2; 50 or more, balanced, are worth having.
        model: the author's view of the model.
        engine: the same model, loaded.
        allowed: a mask for free fields beside the choice.
        progress: called with (done, all) after each input.

    Raises:
        Invalid: the YAML, the samples or the manifest's fields are not fit for it.
    """
    if len(samples) < _LEAST_SAMPLES:
        raise Invalid(
            "AUTHOR-17", f"{len(samples)} sample inputs: give at least 2, better 50, one a line"
        )
    judge = Judge(compile_yaml(text, model=model).manifest, engine, allowed)
    rows = []
    for done, sample in enumerate(samples, 1):
        logits = judge.judge(sample).logits
        if logits:
            rows.append(logits)
        if progress is not None:
            progress(done, len(samples))
    if len(rows) < _LEAST_SAMPLES:
        raise Invalid(
            "AUTHOR-17",
            f"{judge.field.name.decode()!r} has a first item for {len(rows)} of the inputs: give "
            "inputs, or examples in the prompt, for which at least 2 have one",
        )
    options = get_options(judge.field)
    biases = dict(zip(options, compute_biases(rows), strict=True))
    name = judge.field.name.decode()
    calibrated = replace_biases(text, name, biases)
    compiled = compile_yaml(calibrated, model=model).manifest.fields[judge.index]
    if compiled.biases != tuple(biases.values()):
        raise Invalid(
            "AUTHOR-17", f"the new biases of {name!r} do not fit: its options differ too much"
        )
    return Calibration(name, biases, len(rows), calibrated)


def compute_biases(rows: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """Return a Q16 bias for each option: minus its mean logit, their own mean taken away.

    Only differences between biases decide, so they are centred: small numbers read better.

    Rule: AUTHOR-17

    Args:
        rows: Q16 logits, one row an input, one column an option.
    """
    sums = [sum(column) for column in zip(*rows, strict=True)]
    count, width, total = len(rows), len(sums), sum(sums)
    # floor(x + 1/2) of total / (count * width) - sum / count, in integers.
    return tuple(
        (2 * (total - width * column) + count * width) // (2 * count * width) for column in sums
    )


def replace_biases(text: str, field: str, biases: dict[str, int]) -> str:
    """Return the YAML with a field's `biases` replaced, or added if it had none.

    Every other character stays as it is.

    Rule: AUTHOR-18

    Raises:
        Invalid: the text is no action's YAML.
    """
    document = parse_yaml(text)
    node = _find_field(document, field)
    value = ", ".join(f"{_quote(option)}: {format_q16(bias)}" for option, bias in biases.items())
    written = f"biases: {{{value}}}"
    entry = node.entries.get("biases")
    if entry is not None:
        key, old = entry
        return text[: key.mark.index] + written + text[old.end :]
    if node.flow:
        at = node.mark.index + 1
        return f"{text[:at]}{written}, {text[at:]}"
    # Before the field's first key, which stands at the column of all its keys.
    indent = " " * (node.mark.column - 1)
    return f"{text[: node.mark.index]}{written}\n{indent}{text[node.mark.index :]}"


def format_q16(number: int) -> str:
    """Return a Q16 number with five decimals, enough to read it back exactly.

    Half a step of five decimals is 0.000005, less than half a step of Q16, 0.0000076.
    """
    units = (2 * abs(number) * 100_000 + 65_536) // (2 * 65_536)
    sign = "-" if number < 0 and units else ""
    return f"{sign}{units // 100_000}.{units % 100_000:05d}"


def _quote(option: str) -> str:
    """Return an option as a YAML key; options hold no quotes and no backslashes."""
    return option if option.isascii() and option.isidentifier() else f'"{option}"'


def _find_field(document: Document, field: str) -> MapNode:
    """Return the mapping that describes a field."""
    node = document.root
    for key in ("state", field):
        entry = node.entries.get(key) if isinstance(node, MapNode) else None
        if entry is None:
            raise InvalidYaml("AUTHOR-18", node.mark, f"there is no {key!r} here: add it")
        node = entry[1]
    # the biases of an array stand with the type of its items
    if isinstance(node, MapNode) and "of" in node.entries:
        node = node.entries["of"][1]
    if not isinstance(node, MapNode):
        raise InvalidYaml("AUTHOR-18", node.mark, f"{field!r} is no mapping: describe the field")
    return node
