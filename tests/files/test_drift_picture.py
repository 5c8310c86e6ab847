from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import pytest

from stream_gov.contracts import Alert, AlertPolicy, Result, Verdict, result_id
from stream_gov.detection import AlertMemory, advance
from stream_gov.files.drift_picture import drift_picture
from stream_gov.files.drift_series import collect_sections

DAY_MS = 86_400_000


def a_result(window: int, column: str, value: float | None, *, statistic: str = "psi", size: int = 1, **more) -> Result:
    start, end = window * DAY_MS, (window + size) * DAY_MS
    segment = more.pop("segment", "")
    fields = {
        "rule": "threshold",
        "threshold": 0.1,
        "verdict": Verdict.DRIFT if value is not None and abs(value) > 0.1 else Verdict.STABLE,
        "events": 200,
        "revision": 0,
        "late": 0,
        "rejected": 0,
    } | more
    return Result(
        id=result_id("shop", "1", segment, column, statistic, start, end),
        monitor="shop",
        model="shop",
        version="1",
        segment=segment,
        column=column,
        statistic=statistic,
        window_start_ms=start,
        window_end_ms=end,
        value=value,
        n_reference=1_000,
        n_window=200,
        reference="shop@1",
        **fields,
    )


def events(window: int, n: int = 200, **more) -> Result:
    return a_result(
        window, "", float(n), statistic="events", rule="none", threshold=None, verdict=Verdict.STABLE, events=n, **more
    )


def a_run(values: dict[str, list[float | None]]) -> tuple[list[Result], list[Alert]]:
    results, alerts, memory = [], [], AlertMemory()
    for window in range(max(map(len, values.values()))):
        of_window = [events(window), *(a_result(window, column, found[window]) for column, found in values.items())]
        memory, alert = advance(memory, of_window, AlertPolicy())
        results += of_window
        alerts += [alert] if alert is not None else []
    return results, alerts


class Page(HTMLParser):
    """Collects what the tests ask about."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[str] = []
        self._in_row_head = False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._in_row_head = tag == "th" and dict(attributes).get("scope") == "row"

    def handle_data(self, data):
        if self._in_row_head:
            self.rows.append(data)
            self._in_row_head = False


VALUES = {"calm": [0.01, 0.02, 0.03, 0.02], "mild": [0.01, 0.2, 0.02, 0.01], "wild": [0.01, 2.0, 3.0, 2.5]}


def test_the_file_needs_no_other():
    text = drift_picture(*a_run(VALUES), title="Drift of shop")
    assert not re.search(r"https?:|src=|@import|url\(", text)
    assert "<script" not in text


def test_every_drawing_is_well_formed():
    text = drift_picture(*a_run(VALUES), title="Drift of shop")
    quoted = re.sub(r"(<[^>]*?)(\w+)=([A-Za-z0-9]+)(?=[ >])", r'\1\2="\3"', text)
    while quoted != (quoted := re.sub(r"(<[^>]*?)(\w+)=([A-Za-z0-9]+)(?=[ >])", r'\1\2="\3"', quoted)):
        pass
    for drawing in re.findall(r"<svg.*?</svg>", quoted.replace("aria-hidden=true", ""), re.DOTALL):
        ElementTree.fromstring(drawing)


def test_columns_that_drift_most_come_first():
    assert Page(drift_picture(*a_run(VALUES), title="x")).rows == ["wild", "mild", "calm"]


def test_names_from_outside_cannot_become_markup():
    evil = "<script>alert(1)</script>"
    results, alerts = a_run({evil: [0.0, 1.0]})
    text = drift_picture(results, alerts, title=evil)
    assert evil not in text
    assert "&lt;script&gt;" in text


def test_every_window_has_its_numbers_on_hover():
    text = drift_picture(*a_run({"amount": [0.01, 0.25]}), title="x")
    titles = re.findall(r"<title>(.*?)</title>", text, re.DOTALL)
    assert any("1970-01-02 to 1970-01-03" in t and "psi 0.25 (threshold 0.1)" in t and "drift" in t for t in titles)


def test_a_detector_has_a_row_with_a_spike_where_it_signalled():
    signalled = {"rule": "detector", "threshold": None, "statistic": "adwin_mean"}
    verdicts = [Verdict.INSUFFICIENT, Verdict.STABLE, Verdict.DRIFT, Verdict.INSUFFICIENT]
    results = [
        r
        for window, verdict in enumerate(verdicts)
        for r in (
            events(window),
            a_result(window, "amount", None if window == 0 else 1.25 * window, verdict=verdict, **signalled),
        )
    ]
    text = drift_picture(results, [], title="x")
    titles = re.findall(r"<title>(.*?)</title>", text, re.DOTALL)
    assert any("adwin_mean 2.5 (signalled)" in t for t in titles)
    assert any("adwin_mean 1.25 (no signal)" in t for t in titles)
    assert "value 2.5 when it signalled" in text
    (section,) = collect_sections(results, [])
    assert [p.weight for p in section.charts[0].points] == [None, 0.0, 1.0, 0.0]
    calm = drift_picture([r for r in results if r.verdict is not Verdict.DRIFT], [], title="x")
    assert "<small>no signal</small>" in calm


def test_an_alert_shades_its_columns_while_it_names_them():
    (section,) = collect_sections(*a_run(VALUES))
    spans = {c.column: [(s.start_ms, s.end_ms) for s in c.spans] for c in section.charts}
    assert spans == {
        "wild": [(2 * DAY_MS, None)],
        "mild": [(2 * DAY_MS, 3 * DAY_MS)],  # the window that ends there no longer names it
        "calm": [],
    }


def test_a_resolved_alert_has_an_end():
    (section,) = collect_sections(*a_run({"amount": [0.0, 1.0, 1.0, 0.0, 0.0]}))
    assert [(a.opened.opened_window_end_ms, a.end_ms, a.last.n_windows) for a in section.alerts] == [
        (2 * DAY_MS, 4 * DAY_MS, 2)
    ]


def test_of_several_revisions_the_newest_is_drawn():
    first, second = a_result(0, "amount", 0.5), a_result(0, "amount", 0.01, revision=1)
    for order in ([first, second], [second, first]):
        (section,) = collect_sections([events(0), *order], [])
        assert [p.result.revision for p in section.charts[0].points] == [1]


def test_events_of_overlapping_windows_count_once():
    overlapping = [events(w, n, size=3) for w, n in ((-2, 10), (-1, 30), (0, 60), (1, 50), (2, 30))]
    (section,) = collect_sections(overlapping, [])  # 10 on day 0, 20 on day 1, 30 on day 2
    assert section.n_events == 60


def test_a_second_statistic_has_a_row_only_where_it_drifted():
    def run(second):
        return [events(0), a_result(0, "amount", 0.3), a_result(0, "amount", second, statistic="ks")]

    assert [c.statistic for c in collect_sections(run(0.01), [])[0].charts] == ["psi"]
    assert {c.statistic for c in collect_sections(run(0.2), [])[0].charts} == {"psi", "ks"}


def test_signed_statistics_and_undefined_values_are_drawn():
    results = [events(w) for w in range(4)]
    for w, value in enumerate([0.3, None, -0.4, 0.0]):
        results.append(a_result(w, "amount", value, statistic="mean_shift"))
    text = drift_picture(results, [], title="x")
    assert re.search(r'class=bound d="M0 [\d.]+H1000M0 [\d.]+H1000"', text)


def test_p_values_are_drawn_by_their_logarithm():
    results = [
        events(0),
        a_result(0, "a", 12.0, rule="p_value", threshold=None, p_value=1e-6, level=1e-3, verdict=Verdict.DRIFT),
    ]
    (section,) = collect_sections(results, [])
    assert section.charts[0].points[0].weight == pytest.approx(2.0)


def test_segments_and_versions_have_sections_of_their_own():
    results = [
        events(0),
        a_result(0, "amount", 0.0),
        events(0, segment="c=DE"),
        a_result(0, "amount", 0.5, segment="c=DE"),
    ]
    assert [s.segment for s in collect_sections(results, [])] == ["", "c=DE"]


def test_nothing_at_all_is_said():
    assert "nothing to draw" in drift_picture([], [], title="x")


@pytest.mark.parametrize(("n_columns", "n_windows", "megabytes"), [(300, 120, 8.0), (12, 5_000, 3.0)])
def test_the_size_stays_bounded(n_columns, n_windows, megabytes):
    results = [events(w) for w in range(n_windows)]
    results += [a_result(w, f"c{i}", (w * i % 7) / 50) for w in range(n_windows) for i in range(n_columns)]
    assert len(drift_picture(results, [], title="x")) < megabytes * 1e6


def test_a_spike_survives_where_windows_share_a_place():
    values = [0.0] * 5_000
    values[3_333] = 4.0
    text = drift_picture(*a_run({"amount": values}), title="x")
    assert "psi 4 (threshold 0.1)" in text
