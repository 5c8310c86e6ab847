from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from faust.types import TP

from stream_gov.runtime.detect_app import DetectApp


def test_the_lag_of_a_partition_that_was_just_given_away_is_left_out() -> None:
    def highwater(tp: TP) -> int:
        if tp.partition == 1:
            raise AssertionError("Partition is not assigned")  # as aiokafka does
        return 12

    agent = SimpleNamespace(channel=SimpleNamespace(topics=["summaries"]))
    app: Any = SimpleNamespace(agents={"detect": agent}, consumer=SimpleNamespace(highwater=highwater))
    processor: Any = None
    assert DetectApp(app, processor, None, positions={0: 5, 1: 7, 2: 12}).lags() == {0: 7, 2: 0}
