"""Measures how often an action's choice agrees with labels, and how sure that number is."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from oyez.author.judging import Judge, Judgement, get_options
from oyez.engines.base import Engine
from oyez.protocol import decoding, masks
from oyez.protocol.errors import Invalid
from oyez.protocol.types import FieldType, Manifest

#: Two-sided 95 % quantile of the normal distribution.
_Z = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Labelled:
    """An input and the option a person chose for it."""

    input: str
    label: str


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model said of a labelled input; `logits` are Q16 in the order of the options."""

    input: str
    label: str
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class Analysis:
    """How the choice did.

    Attributes:
        accuracy: share of inputs judged as labelled.
        interval: Wilson score interval of the accuracy, 95 %.
        majority: accuracy of always giving the commonest label.
        recall: by option, share of its inputs that were judged so; None without any.
        predictions: one an input, in order.
        options: of the choice, in the manifest's order.
        biases: Q16, by option.
    """

    field: str
    n: int
    accuracy: float
    interval: tuple[float, float]
    majority: float
    recall: dict[str, float | None]
    predictions: tuple[Prediction, ...]
    biases: dict[str, int]

    def to_summary(self) -> dict[str, object]:
        """Return the numbers, ready for JSON."""
        return {
            "field": self.field,
            "n": self.n,
            "accuracy": self.accuracy,
            "interval": list(self.interval),
            "majority": self.majority,
            "recall": self.recall,
        }

    def iterate_lines(self) -> Iterator[str]:
        """Yield one JSON line an input: input, label, prediction, scores.

        A score is logit + bias, in real units and as the Q16 integer that was compared.
        """
        for prediction in self.predictions:
            scores = {}
            pairs = zip(self.biases.items(), prediction.judgement.logits, strict=True)
            for (option, bias), logit in pairs:
                scores[option] = {"score": (logit + bias) / 65_536, "q16": logit + bias}
            row = {
                "input": prediction.input,
                "label": prediction.label,
                "prediction": prediction.judgement.option,
                "scores": scores,
            }
            yield json.dumps(row, ensure_ascii=False)


def parse_labelled(text: str) -> tuple[Labelled, ...]:
    """Parse JSON lines with `input` and `label`; empty lines are skipped, other keys ignored.

    Rule: AUTHOR-19

    Raises:
        Invalid: AUTHOR-19 with the line's number; nothing else, whatever the text.
    """
    rows = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise Invalid(
                "AUTHOR-19",
                f'line {number} is not JSON: write {{"input": "...", "label": "..."}}',
            ) from error
        found = row if isinstance(row, dict) else {}
        given, label = found.get("input"), found.get("label")
        if not _is_text(given) or not _is_text(label):
            raise Invalid(
                "AUTHOR-19", f"line {number} needs the texts 'input' and 'label': add them"
            )
        rows.append(Labelled(given, label))
    if not rows:
        raise Invalid("AUTHOR-19", "there are no inputs: write one JSON object a line")
    return tuple(rows)


def _is_text(value: object) -> TypeGuard[str]:
    """Say whether a value is a string of whole characters."""
    return isinstance(value, str) and not any(0xD800 <= ord(part) < 0xE000 for part in value)


def parse_samples(text: str) -> tuple[str, ...]:
    """Parse unlabelled inputs: one a line, or JSON lines with `input`; empty lines are skipped.

    Rule: AUTHOR-20

    Raises:
        Invalid: AUTHOR-20 with the line's number.
    """
    samples = []
    for number, line in enumerate(text.split("\n"), 1):
        sample: object = line.strip()
        if line.lstrip().startswith("{"):
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise Invalid(
                    "AUTHOR-20",
                    f'line {number} is not JSON: write {{"input": "..."}} or plain text',
                ) from error
            sample = row.get("input")
        if not _is_text(sample):
            raise Invalid("AUTHOR-20", f"line {number} needs the text 'input': add it")
        if sample:
            samples.append(sample)
    return tuple(samples)


def analyze(
    manifest: Manifest,
    inputs: Sequence[Labelled],
    *,
    engine: Engine,
    allowed: decoding.Allowed = masks.allowed_tokens,
    progress: Callable[[int, int], None] | None = None,
) -> Analysis:
    """Run every input through the action's prompt and compare.

    Args:
        manifest: with exactly one choice among its written fields.
        inputs: at least one; labels are options of the choice.
        engine: the manifest's model.
        allowed: a mask for free fields beside the choice.
        progress: called with (done, all) after each input.

    Raises:
        Invalid: the manifest, an input or a label is not fit for it.
    """
    judge = Judge(manifest, engine, allowed)
    if judge.field.type is FieldType.ARRAY:
        raise Invalid(
            "AUTHOR-15",
            f"{judge.field.name.decode()!r} is an array: a label is one option, so analyze a "
            "field that is no array",
        )
    options = get_options(judge.field)
    for number, row in enumerate(inputs, 1):
        if row.label not in options:
            raise Invalid(
                "AUTHOR-19",
                f"label {row.label!r} of input {number} is no option: write {', '.join(options)}",
            )
    predictions = []
    for done, row in enumerate(inputs, 1):
        predictions.append(Prediction(row.input, row.label, judge.judge(row.input)))
        if progress is not None:
            progress(done, len(inputs))
    return summarise(
        judge.field.name.decode(),
        dict(zip(options, judge.field.biases or (0,) * len(options), strict=True)),
        predictions,
    )


def summarise(field: str, biases: dict[str, int], predictions: Sequence[Prediction]) -> Analysis:
    """Return the numbers over predictions, of which there is at least one."""
    labels = Counter(prediction.label for prediction in predictions)
    right = Counter(p.label for p in predictions if p.judgement.option == p.label)
    n = len(predictions)
    return Analysis(
        field=field,
        n=n,
        accuracy=right.total() / n,
        interval=compute_wilson(right.total(), n),
        majority=max(labels.values()) / n,
        recall={o: right[o] / labels[o] if labels[o] else None for o in biases},
        predictions=tuple(predictions),
        biases=biases,
    )


def compute_wilson(hits: int, n: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of a share of hits.

    Rule: AUTHOR-21

    Args:
        hits: 0 to n.
        n: at least 1.
    """
    share = hits / n
    centre = share + _Z * _Z / (2 * n)
    half = _Z * math.sqrt(share * (1 - share) / n + _Z * _Z / (4 * n * n))
    scale = 1 + _Z * _Z / n
    # Rounding must not push a bound past the share itself, as it would at 0 and at n.
    return max(0.0, min(share, (centre - half) / scale)), min(
        1.0, max(share, (centre + half) / scale)
    )
