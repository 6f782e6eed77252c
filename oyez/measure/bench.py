"""`oyez bench engine`: what is loaded once, and which measurements there are."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

from oyez.author import tokenizer
from oyez.engines.exact import kernels, known, locate
from oyez.engines.exact.engine import ExactEngine
from oyez.engines.exact.gguf import GgufFile, open_gguf
from oyez.engines.exact.loading import load_engine
from oyez.engines.exact.shape import Shape
from oyez.engines.exact.tokens import read_tokenizer_metadata
from oyez.engines.exact.weights import load_model
from oyez.engines.llama_context import LlamaContext, LlamaWeights, Settings
from oyez.measure import machine, peer, processes, random_model, texts
from oyez.measure.parties import Exact, Llama, repeat

#: Both sides' threads.
THREADS = 2

Report = Callable[[str], None]
#: Part of the result. Any: JSON.
Found = dict[str, Any]


def build_shape(layers: int, width: int, feed_forward: int, heads: int, kv_heads: int) -> Shape:
    """Return the shape of a random model: heads of 64, SmolLM2's vocabulary, a tied head."""
    return Shape(
        layers=layers,
        width=width,
        feed_forward=feed_forward,
        heads=heads,
        kv_heads=kv_heads,
        head_size=64,
        vocabulary=49_152,
        context=2_046,
        tied=True,
        epsilon=Fraction(1, 100_000),
        rope_base=Fraction(10_000),
        rope_scale=Fraction(1),
        rope_factors=False,
    )


#: The shapes of SmolLM2-360M and of TinyLlama-1.1B.
SIZES = {
    "360M": build_shape(32, 960, 2_560, 15, 5),
    "1B": build_shape(22, 2_048, 5_632, 32, 4),
}


@dataclass
class Bench:
    """What measurements share, each part loaded when it is first needed."""

    report: Report
    waits: Found = field(default_factory=dict)

    @cached_property
    def path(self) -> Path:
        """The installed model's file, checked."""
        path = locate.find_model()
        locate.verify_digest(path, known.SMOLLM2_SHA256)
        return path

    @cached_property
    def file(self) -> GgufFile:
        """The parsed file."""
        return open_gguf(self.path)

    @cached_property
    def engine(self) -> ExactEngine:
        """The exact engine on its fastest path."""
        return load_engine(self.path, threads=THREADS)

    @cached_property
    def exact(self) -> Exact:
        """The exact engine's side."""
        return Exact(self.engine.backend, self.engine.model)

    @cached_property
    def exact_avx2(self) -> Exact:
        """The exact engine's side on its AVX2 path."""
        model = self.engine.model
        return Exact(kernels.open_kernel(model, "avx2", THREADS), model)

    @cached_property
    def texts(self) -> Mapping[str, tuple[int, ...]]:
        """The fixed texts' tokens."""
        return texts.tokenise(tokenizer.load_author_model(self.path))

    @cached_property
    def peer(self) -> peer.Peer:
        """The built llama.cpp, importable from now on, its threads set to wait as is best."""
        found = peer.open_peer(self.report)
        wait, self.waits = processes.choose_wait(THREADS)
        if wait is not None:
            os.environ[processes.WAIT_VARIABLE] = wait
        return found

    @cached_property
    def weights(self) -> LlamaWeights:
        """The model in llama.cpp."""
        assert self.peer  # built and importable first
        return LlamaWeights(self.path)

    @cached_property
    def flash(self) -> dict[str, Found]:
        """Seconds of llama.cpp's work with its fused attention on and off; the least of three."""
        tokens = self.get_tokens(512)
        found: dict[str, Found] = {"prefill 512": {}, "decode 16 at 300": {}}
        for flash in (True, False):
            side = Llama(self.open_context(Settings(1_024, threads=THREADS, flash=flash)))
            word = "on" if flash else "off"
            prefill = min(side.prefill(tokens) for _ in range(3))
            decode = min(side.decode(tokens[:300], 16) for _ in range(3))
            found["prefill 512"][word] = round(prefill, 4)
            found["decode 16 at 300"][word] = round(decode, 4)
        return found

    def open_llama(self, work: str, positions: int, sequences: int = 1, **more: bool) -> Llama:
        """Return llama.cpp's side for a kind of work ("prefill" or "decode"), at its best."""
        return Llama(self.open_context(self.tune(work, positions, sequences, **more)))

    def tune(self, work: str, positions: int, sequences: int = 1, **more: bool) -> Settings:
        """Return llama.cpp's better settings for a kind of work."""
        (seconds,) = (found for name, found in self.flash.items() if name.startswith(work))
        flash = seconds["on"] <= seconds["off"]
        return Settings(positions, sequences, THREADS, flash=flash, **more)

    def open_context(self, settings: Settings) -> LlamaContext:
        """Return a context of llama.cpp over the model."""
        return LlamaContext(self.weights, settings)

    def get_tokens(self, count: int) -> list[int]:
        """Return that many tokens of ordinary text."""
        return repeat(self.texts["english"], count)

    @contextmanager
    def open_random(self, name: str) -> Iterator[tuple[Exact, Llama, float]]:
        """Yield both sides over a random model of a size, and bytes that a token reads."""
        assert self.peer
        locate.find_cache().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="random-", dir=locate.find_cache()) as folder:
            path = Path(folder) / f"{name}.gguf"
            metadata = read_tokenizer_metadata(self.path)
            random_model.write_random_model(path, SIZES[name], metadata, seed=1)
            model = load_model(open_gguf(path))
            exact = Exact(kernels.open_backend(model, THREADS), model)
            context = LlamaContext(LlamaWeights(path), Settings(1_024, threads=THREADS))
            yield exact, Llama(context), float(path.stat().st_size)


def run_rows(
    rows: Mapping[str, Callable[[Bench], Found]], names: Iterable[str], report: Report
) -> Found:
    """Run measurements by name and return everything they found, with what they were taken on."""
    bench = Bench(report)
    before = machine.read_load()
    found: Found = {}
    for name in names:
        report(f"measuring {name}")
        part = rows[name](bench)
        spreads = {**found.get("spreads", {}), **part.pop("spreads", {})}
        found = {**found, **part, "spreads": spreads}
    load = {"load_before": before, "load_after": machine.read_load()}
    return {**found, "machine": {**machine.describe_machine(), "threads": THREADS, **load}}
