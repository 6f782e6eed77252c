"""The kernels as their source stands, compiled once a process."""

from __future__ import annotations

import functools

from oyez.engines.exact import build
from oyez.engines.exact.library import Library


@functools.cache
def open_library() -> Library:
    return Library(build.build_library())
