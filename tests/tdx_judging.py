"""Altered quotes and documents of the tests' platform, and what judges them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from oyez.attestation.appraisal import appraise
from oyez.attestation.collateral import parse_collateral
from oyez.protocol.errors import Invalid
from tests import tdx_world
from tests.tdx_world import World

TD10 = ("tdx_v4_phala_b0c06f_uptodate", "tdx_b0c06f000000_2025-06")
TD15 = ("tdx_v5td15_google_90c06f", "tdx_90c06f000000_2026-02")


def judge(world: World, quote: bytes = b"", collateral: str = "", now: int = 0) -> object:
    given = parse_collateral(collateral or world.collateral())
    return appraise(quote or world.quote(), given, now or world.now, tdx_world.ROOT)


def refused(rule: str, what: str, act: Callable[..., object], *inputs: object) -> None:
    with pytest.raises(Invalid, match=what) as caught:
        act(*inputs)
    assert caught.value.rule == rule


def written(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def changed(text: str, value: object, *path: str | int) -> str:
    whole = json.loads(text)
    place: Any = whole
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return written(whole)


def tcb(world: World, value: object, *path: str | int) -> World:
    world.tcb_info = changed(world.tcb_info, value, *path)
    return world


def qe(world: World, value: object, *path: str | int) -> World:
    world.qe_identity = changed(world.qe_identity, value, *path)
    return world
