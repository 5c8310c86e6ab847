from __future__ import annotations

from pathlib import Path

import pytest

from stream_gov.cli.settings_page import all_settings, settings_page

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_page_of_settings_is_current():
    assert PAGE.read_text(encoding="utf-8") == settings_page(), "run `make docs`"


@pytest.mark.parametrize(("key", "meaning"), [(k, m) for k, _, m in all_settings()], ids=lambda v: str(v)[:40])
def test_every_setting_says_what_it_means(key, meaning):
    assert meaning.endswith("."), key
