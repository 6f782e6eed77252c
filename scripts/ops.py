"""Writes docs/spec/ops.md, the table of ops, from the layouts; --check tells if it is current."""

from __future__ import annotations

from oyez.chain.deploy import ROOT
from oyez.chain.step_contracts import VERIFIERS
from oyez.protocol import inner, inner_frame
from oyez.protocol.constants import INNER_HEIGHT
from oyez.protocol.inner import Layout, Region
from oyez.protocol.inner_frame import Frame
from oyez.protocol.types import ModelShape
from scripts.pages import build_command

PAGE = ROOT / "docs" / "spec" / "ops.md"
HEAD = """# The ops of inner traces

Written by `python -m scripts.ops` from `oyez/protocol/inner.py` and `inner_frame.py`, the tables
from which generators, steps, the chain's table and this page come; what each op computes stands in
[inner.md](inner.md) and [frame.md](frame.md). First leaf and leaves of each region; for layers and
samplers of three shapes: the 135M model's, a 360M and a 1B model's.
"""


def build_shape(
    layers: int, width: int, feed_forward: int, heads: int, kv_heads: int, vocabulary: int
) -> ModelShape:
    """Return a shape with heads of 64 lanes."""
    return ModelShape(
        layers=layers,
        width=width,
        feed_forward=feed_forward,
        heads=heads,
        kv_heads=kv_heads,
        head_size=64,
        vocabulary=vocabulary,
        context=2_046,
        position_cost=1,
        model_height=20,
        formats=1,
        missing=b"",
    )


SHAPES = {
    "135M": build_shape(30, 576, 1_536, 9, 3, 49_152),
    "360M": build_shape(31, 960, 2_560, 15, 5, 49_152),
    "1B": build_shape(16, 2_048, 8_192, 32, 8, 128_256),
}


def build_page() -> str:
    """Return the page."""
    lines = [HEAD]
    for title, layout in (
        ("A layer's record", inner.layout_layer),
        ("A sampler's record", inner.layout_sampler),
    ):
        layouts = [layout(shape) for shape in SHAPES.values()]
        lines += [f"## {title}", ""]
        lines.append(f"| op | region | chunks | {' | '.join(SHAPES)} | kinds | verifier |")
        lines.append("|---|---|---|" + "---|" * (len(SHAPES) + 2))
        lines += [_build_row(index, layouts) for index in range(len(layouts[0].regions))]
        lines.append("")
    for frame in Frame:
        around = inner_frame.layout_frame(frame, INNER_HEIGHT)
        lines += [f"## The record {frame.name}", ""]
        lines += [
            "| op | region | chunks | leaves | kinds | verifier |",
            "|---|---|---|---|---|---|",
        ]
        lines += [_build_row(index, [around]) for index in range(len(around.regions))]
        lines.append("")
    return "\n".join(lines)


def _build_row(index: int, layouts: list[Layout]) -> str:
    regions: list[Region] = [layout.regions[index] for layout in layouts]
    first = regions[0]
    places = " | ".join(
        f"{region.start} + {region.leaves}" if region.leaves else "-" for region in regions
    )
    (verifier,) = [name for name, ops in VERIFIERS.items() if first.op in ops]
    kinds = ", ".join(first.kinds)
    return f"| {first.op} | {first.name} | {first.type.name} | {places} | {kinds} | {verifier} |"


main = build_command(PAGE, build_page, __doc__)

if __name__ == "__main__":
    main()
