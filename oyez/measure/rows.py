"""The measurements of `oyez bench engine`: each takes the bench and returns its part of the result.

Ratios are medians of interleaved pairs; the spreads of a ratio and of both rates stand under
"spreads" by the same name. Rates are tokens a second unless a name says otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

from oyez.engines import llama as llama_engine
from oyez.measure import calls, machine, peer, processes, quality, tracing
from oyez.measure.bench import SIZES, THREADS, Bench, Found
from oyez.measure.parties import decode_in_turn, decode_scheduled
from oyez.measure.spread import Comparison, compare, round_to

#: Decoded tokens of a run, and the prompt that `prefill` runs.
NEW, PROMPT = 64, 512
#: Calls decoded together, tokens of a prompt and of an output.
CALLS, IN, OUT = 16, 50, 20
#: Context => decoded tokens and pairs there.
CONTEXTS = {128: (32, 5), 512: (32, 5), 2_048: (16, 3)}
#: Kernels whose machines have AVX2.
WITH_AVX2 = ("avx2", "avx512")
#: Pairs on a random model.
SIZE_PAIRS = 3


def measure_quality(bench: Bench) -> Found:
    """Divergence and loss on the fixed texts."""
    longest = max(map(len, bench.texts.values()))
    return quality.measure_quality(
        file=bench.file,
        model=bench.engine.model,
        backend=bench.engine.backend,
        context=bench.open_context(bench.tune("prefill", longest)),
        texts=bench.texts,
        report=bench.report,
    )


def measure_decode(bench: Bench) -> Found:
    """Decode of one sequence, at the beginning and after 300 tokens; share of the bandwidth."""
    llama = bench.open_llama("decode", 1_024)
    found: Found = {"spreads": {}}
    for start in (0, 300):
        prompt = bench.get_tokens(start)
        _put(
            found,
            f"decode_ratio_{start}",
            compare(
                partial(bench.exact.decode, prompt, NEW),
                partial(llama.decode, prompt, NEW),
                NEW,
            ),
        )
    read = machine.measure_bandwidth(THREADS)
    rate: float = found["spreads"]["decode_ratio_0"]["oyez"]["median"]
    matrices = [*(m for layer in bench.engine.model.layers for m in layer.matrices)]
    size = sum(matrix.data.nbytes for matrix in (*matrices, bench.engine.model.head))
    found["bandwidth"] = {
        "read_bytes_per_second": read.to_json(),
        "bytes_per_token": size,
        # against the fastest reading: a neighbour must not make the memory look slow
        "decode_share": round_to(rate * size / max(read.values)),
    }
    return found


def measure_prefill(bench: Bench) -> Found:
    """Prefill of 512 tokens."""
    llama, tokens = bench.open_llama("prefill", 1_024), bench.get_tokens(PROMPT)
    pair = compare(partial(bench.exact.prefill, tokens), partial(llama.prefill, tokens), PROMPT)
    return _put({}, "prefill_ratio", pair)


def measure_batch(bench: Bench) -> Found:
    """16 calls decoded together, against llama.cpp's in turn and in one batch."""
    text = bench.get_tokens(CALLS + IN)
    prompts = [text[at : at + IN] for at in range(CALLS)]
    alone = bench.open_llama("decode", 1_024)
    sides = {
        unified: bench.open_llama("decode", CALLS * 128, CALLS, unified=unified)
        for unified in (True, False)
    }
    seconds = {
        unified: min(side.decode_together(prompts, OUT) for _ in range(2))
        for unified, side in sides.items()
    }
    unified = seconds[True] <= seconds[False]
    batch = sides[unified]

    run_ours = partial(decode_scheduled, bench.engine, prompts, OUT)
    found: Found = {"batch16": {"llama_kv_unified": unified}}
    work = CALLS * OUT
    turn = compare(run_ours, partial(decode_in_turn, alone, prompts, OUT), work)
    _put(found, "batch16_vs_turn", turn)
    together = compare(run_ours, partial(batch.decode_together, prompts, OUT), work)
    return _put(found, "batch16_vs_batch", together)


def measure_calls(bench: Bench) -> Found:
    """A whole call against llama.cpp behind the same seam."""
    flash = bench.tune("decode", 1).flash
    floats = llama_engine.load_engine(bench.path, threads=THREADS, flash=flash)
    return calls.measure_calls(bench.path, bench.engine, floats)


def measure_avx2(bench: Bench) -> Found:
    """The exact engine's AVX2 path against llama.cpp's native one: the worse of two ratios."""
    if bench.engine.backend.kernel not in WITH_AVX2:
        return {"avx2_ratio": None}
    tokens = bench.get_tokens(PROMPT)
    slow, fast = bench.open_llama("decode", 1_024), bench.open_llama("prefill", 1_024)
    ours = bench.exact_avx2
    pairs = {
        "avx2_decode": compare(partial(ours.decode, [], NEW), partial(slow.decode, [], NEW), NEW),
        "avx2_prefill": compare(
            partial(ours.prefill, tokens), partial(fast.prefill, tokens), PROMPT
        ),
    }
    return {
        "avx2_ratio": round_to(min(pair.ratios.median for pair in pairs.values())),
        "spreads": {name: pair.to_json() for name, pair in pairs.items()},
    }


def measure_trace(bench: Bench) -> Found:
    """What the outer trace adds to decode and to prefill."""
    prompt, text = bench.get_tokens(IN), bench.get_tokens(PROMPT)
    found: Found = {}
    for name, comparison in tracing.compare_trace(bench.engine, prompt, NEW, text).items():
        found[name] = round_to(comparison.ratios.median - 1)
        found.setdefault("spreads", {})[name] = comparison.to_json()
    return found


def measure_memory(_bench: Bench) -> Found:
    """Peak memory of a process."""
    return processes.measure_memory(THREADS)


def measure_start(_bench: Bench) -> Found:
    """Seconds until an engine is ready."""
    return processes.measure_start(THREADS)


def measure_contexts(bench: Bench) -> Found:
    """Cost by context: decode behind so many tokens, and their prefill."""
    llama = {work: bench.open_llama(work, 2_048) for work in ("decode", "prefill")}
    found: Found = {}
    for context, (new, pairs) in CONTEXTS.items():
        tokens = bench.get_tokens(min(context, bench.engine.shape.context))
        before = tokens[: len(tokens) - new]
        decode = compare(
            partial(bench.exact.decode, before, new),
            partial(llama["decode"].decode, before, new),
            new,
            pairs,
        )
        prefill = compare(
            partial(bench.exact.prefill, tokens),
            partial(llama["prefill"].prefill, tokens),
            len(tokens),
            pairs,
        )
        found[str(context)] = {"decode": decode.to_json(), "prefill": prefill.to_json()}
    return {"contexts": found}


def measure_sizes(bench: Bench) -> Found:
    """Cost by size: random models."""
    tokens, found = bench.get_tokens(PROMPT), {}
    for name in SIZES:
        bench.report(f"a random model of the shape {name}")
        with bench.open_random(name) as (exact, llama, size):
            decode = compare(
                partial(exact.decode, [], NEW // 4),
                partial(llama.decode, [], NEW // 4),
                NEW // 4,
                SIZE_PAIRS,
            )
            prefill = compare(
                partial(exact.prefill, tokens),
                partial(llama.prefill, tokens),
                PROMPT,
                SIZE_PAIRS,
            )
            found[name] = {
                "file_mb": round(size / 1e6, 1),
                "decode": decode.to_json(),
                "prefill": prefill.to_json(),
            }
            del exact, llama
    return {"sizes": found}


def measure_peer(bench: Bench) -> Found:
    """What llama.cpp is, how it is set, and what its own benchmark says."""
    flash = bench.flash
    return {
        "peer": {
            **bench.peer.describe(),
            "settings": {
                "threads": THREADS,
                "block": 512,
                "kv": "f16",
                "openmp_wait_policy": os.environ.get(processes.WAIT_VARIABLE, "unset"),
                "openmp_wait_policy_seconds": bench.waits,
                "flash_attention": {
                    name: "on" if seconds["on"] <= seconds["off"] else "off"
                    for name, seconds in flash.items()
                },
                "flash_attention_seconds": flash,
            },
            "own_bench": peer.run_own_bench(bench.peer, bench.path, THREADS),
        }
    }


#: Name => measurement, in the order in which they run.
ROWS: dict[str, Callable[[Bench], Found]] = {
    "start": measure_start,
    "memory": measure_memory,
    "peer": measure_peer,
    "quality": measure_quality,
    "decode": measure_decode,
    "prefill": measure_prefill,
    "batch16": measure_batch,
    "call": measure_calls,
    "avx2": measure_avx2,
    "trace": measure_trace,
    "contexts": measure_contexts,
    "sizes": measure_sizes,
}


def _put(found: Found, name: str, comparison: Comparison) -> Found:
    """Add a ratio and its spread."""
    found[name] = round_to(comparison.ratios.median)
    found.setdefault("spreads", {})[name] = comparison.to_json()
    return found
