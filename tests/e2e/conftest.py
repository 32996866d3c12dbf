"""A real browser, where there is one."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

_QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]


@pytest.fixture(scope="module")  # while Playwright is open its event loop runs, and nothing else may have one
def browser() -> Iterator[Browser]:
    place = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if place is None:
        pytest.skip("no Chromium on this machine; tests/install_browser.sh installs it where it can")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=place, args=_QUIET)
        yield browser
        browser.close()
