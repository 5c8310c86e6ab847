from __future__ import annotations

import asyncio
import gc
import weakref
from types import SimpleNamespace
from typing import Any

from faust.types import TP

from stream_gov.runtime.detect_app import DetectApp, make_app
from stream_gov.settings import Settings


def test_the_lag_of_a_partition_that_was_just_given_away_is_left_out() -> None:
    def highwater(tp: TP) -> int:
        if tp.partition == 1:
            raise AssertionError("Partition is not assigned")  # as aiokafka does
        return 12

    agent = SimpleNamespace(channel=SimpleNamespace(topics=["summaries"]))
    app: Any = SimpleNamespace(agents={"detect": agent}, consumer=SimpleNamespace(highwater=highwater))
    processor: Any = None
    assert DetectApp(app, processor, None, positions={0: 5, 1: 7, 2: 12}).lags() == {0: 7, 2: 0}


def test_an_application_that_is_given_up_takes_its_state_with_it() -> None:
    """A worker that begins anew a hundred times must not hold a hundred states."""

    catalog: Any = SimpleNamespace()

    async def make_and_give_up() -> weakref.ref[object]:
        detect_app = make_app(Settings(bootstrap="127.0.0.1:1"), catalog)
        return weakref.ref(detect_app.processor)

    processor = asyncio.run(make_and_give_up())
    gc.collect()
    assert processor() is None
