"""Hypothesis without a time limit per example: on a busy machine one may wait longer than it computes."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("without_deadline", deadline=None)
settings.load_profile("without_deadline")
