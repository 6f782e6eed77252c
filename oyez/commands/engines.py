"""`oyez engine run`: the logits of a list of tokens, and their digest."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import click

from oyez.commands import output
from oyez.commands.arguments import read_file
from oyez.commands.settings import Settings, pass_settings
from oyez.protocol.errors import Invalid

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Copies decoded together at most: their keys and values must fit into memory.
MAX_BATCH = 1_024
MAX_THREADS = 256


@click.group()
def engine() -> None:
    """Run the exact engine by itself."""


@engine.command()
@click.option(
    "--tokens",
    "tokens_file",
    type=click.Path(path_type=Path),
    required=True,
    help="A JSON list of token ids.",
)
@click.option(
    "--threads", type=click.IntRange(1, MAX_THREADS), default=1, help="Threads  [default: 1]"
)
@click.option(
    "--batch",
    type=click.IntRange(1, MAX_BATCH),
    default=1,
    help="Copies decoded together; 1 runs the tokens in blocks  [default: 1]",
)
@click.option(
    "--kernel",
    type=click.Choice(["spec", "portable", "avx2", "avx512", "neon"]),
    help="What does the arithmetic  [default: the fastest]",
)
@click.option("--no-prefix-cache", is_flag=True, help="Run everything in every copy.")
@click.option(
    "--logits-out",
    type=click.Path(path_type=Path),
    help="Write the logits as .npy: int32, Q16, tokens x vocabulary.",
)
@pass_settings
def run(
    settings: Settings,
    *,
    tokens_file: Path,
    threads: int,
    batch: int,
    kernel: str | None,
    no_prefix_cache: bool,
    logits_out: Path | None,
) -> None:
    """Print the digest of the logits after each of a list of tokens, and what was used.

    The digest is the same for every kernel, number of threads, batch and prefix cache.
    """
    from oyez.engines.exact import kernels, locate, logit_run
    from oyez.engines.exact.gguf import open_gguf
    from oyez.engines.exact.prefix_cache import PrefixCache
    from oyez.engines.exact.weights import load_model

    tokens = _read_tokens(tokens_file)
    model = load_model(open_gguf(settings.model or locate.find_model()))
    logit_run.check_tokens(model, tokens)
    backend = (
        kernels.open_kernel(model, kernel, threads)
        if kernel
        else kernels.open_backend(model, threads)
    )
    progress = output.Progress()
    with _LogitsFile(logits_out, len(tokens), model.vocabulary) as file:

        def receive(logits: NDArray[np.int32], at: int) -> None:
            file.write(logits, at)
            progress.show(f"{at + len(logits)} of {len(tokens)} tokens")

        done = logit_run.run_tokens(
            model,
            backend,
            tokens,
            batch=batch,
            prefix_cache=None if no_prefix_cache else PrefixCache(),
            receive=receive,
        )
    progress.clear()
    result = asdict(done)
    lines = [f"{name:8}{value}" for name, value in result.items()]
    output.emit(result, lines, as_json=settings.json)


def _read_tokens(path: Path) -> list[int]:
    """Return the list in a JSON file; its items are checked against the model later."""
    data = read_file(path)
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Invalid("ENGINE-29", f"{path} is no JSON ({error}): give a list of ids") from error
    if not isinstance(found, list):
        raise Invalid("ENGINE-29", f"{path} holds no list: give a JSON list of token ids")
    return found


class _LogitsFile:
    """The .npy file of the logits: written beside its place, and put there when it is whole."""

    def __init__(self, path: Path | None, tokens: int, vocabulary: int) -> None:
        self._path = path
        self._shape = tokens, vocabulary
        self._draft = None if path is None else path.with_name(path.name + ".new")
        self._map: NDArray[np.int32] | None = None

    def __enter__(self) -> _LogitsFile:
        import numpy as np

        if self._draft is not None:
            try:
                self._map = np.lib.format.open_memmap(  # type: ignore[no-untyped-call]  # numpy's stubs leave its types out
                    self._draft, mode="w+", dtype="<i4", shape=self._shape
                )
            except OSError as error:
                raise Invalid(
                    "CLI-5", f"cannot write {self._path} ({error.strerror}): choose another place"
                ) from error
        return self

    def write(self, logits: NDArray[np.int32], at: int) -> None:
        """Put rows in place."""
        if self._map is not None:
            self._map[at : at + len(logits)] = logits

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._draft is None or self._path is None or self._map is None:
            return
        self._map = None
        if error is None:
            os.replace(self._draft, self._path)
        else:
            self._draft.unlink(missing_ok=True)
