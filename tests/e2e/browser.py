"""A real browser, driven by Playwright: the Chromium on the PATH, or the one that the variable CHROMIUM names."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def _found() -> str | None:
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)


@contextmanager
def opened() -> Iterator[Any]:
    """A page of the browser. Where there is none, the test is skipped, which says why."""
    path = _found()
    if path is None:
        pytest.skip(f"there is no browser: none of {', '.join(_NAMES)} is on the PATH, and CHROMIUM is not set")
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    with api.sync_playwright() as playwright:
        # Chromium has no sandbox where it runs as root, as in a container.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser.new_page()
        finally:
            browser.close()
