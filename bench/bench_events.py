"""The event that the benches use: 12 features (10 numbers, 2 categories), a prediction, 452 bytes on average."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

import numpy as np

from stream_gov.decoding import CountingPlan
from stream_gov.summaries import CategoricalLayout, Derivation, NumericLayout, PaneLayout

MODEL = "credit-default"
NUMBERS = (
    "loan_amount", "interest_rate", "annual_income", "debt_to_income", "credit_score", "employment_years",
    "accounts_opened", "utilisation", "months_since_late", "account_balance",
)  # fmt: skip
CATEGORIES = {
    "home_ownership": ("RENT", "MORTGAGE", "OWN", "OTHER"),
    "purpose": ("car", "home", "medical", "education", "debt_consolidation"),
}
START_MS = 1_700_000_000_000
PANE_MS = 60_000
N_CELLS = 40


def events(
    n: int, *, seed: int, start_ms: int = START_MS, span_ms: int = 30_000, model: str = MODEL
) -> Iterator[bytes]:
    """JSON of `n` events, their times spread evenly over `span_ms`."""
    random_state = random.Random(seed)
    for i in range(n):
        features: dict[str, float | str] = {name: round(random_state.gauss(100, 25), 4) for name in NUMBERS}
        features.update({name: random_state.choice(values) for name, values in CATEGORIES.items()})
        event = {
            "event_id": f"{random_state.getrandbits(128):032x}",
            "model": model,
            "version": "2024.06.1",
            "timestamp": start_ms + i * span_ms // n,
            "features": features,
            "prediction": round(random_state.random(), 6),
        }
        yield json.dumps(event, separators=(",", ":")).encode()


def layout(profile: str, *, seed: int = 0) -> PaneLayout:
    """Layout with 40 cells for each number, taken from quantiles."""
    random_state = np.random.default_rng(seed)
    columns: dict[str, NumericLayout | CategoricalLayout] = {}
    for name in (*NUMBERS, "prediction"):
        sample = random_state.random(10_000) if name == "prediction" else random_state.normal(100, 25, 10_000)
        edges = np.quantile(sample, np.arange(1, N_CELLS) / N_CELLS)
        groups = np.arange(N_CELLS) * 10 // N_CELLS
        columns[name] = NumericLayout(edges, groups, float(sample.mean()), float(sample.std()))
    columns.update({name: CategoricalLayout(values) for name, values in CATEGORIES.items()})
    return PaneLayout(profile, columns)


def with_derived(base: PaneLayout, *derivations: Derivation) -> PaneLayout:
    """Layout with derived columns besides, of 40 cells each."""
    edges, groups = np.linspace(0, 1, N_CELLS - 1), np.arange(N_CELLS) * 10 // N_CELLS
    derived = {name: NumericLayout(edges, groups, 0.5, 0.25) for one in derivations for name in one.columns}
    return PaneLayout(base.id, {**base.columns, **derived}, derivations=derivations)


def plan(
    n_layouts: int = 1,
    *,
    model: str = MODEL,
    segments: tuple[tuple[str, ...], ...] = (),
    derivations: tuple[Derivation, ...] = (),
) -> CountingPlan:
    """Plan that counts on one profile, or on two."""
    layouts = tuple(with_derived(layout(f"bench@{n_layouts - i}", seed=i), *derivations) for i in range(n_layouts))
    known = frozenset(f"{name}={value}" for name, values in CATEGORIES.items() for value in values)
    return CountingPlan(model, layouts, PANE_MS, segments, known)


def mean_bytes(messages: list[bytes]) -> float:
    """Average size of messages."""
    return sum(map(len, messages)) / len(messages)
