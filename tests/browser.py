"""Headless Chromium for tests of pages: CI must have it, others may."""

from __future__ import annotations

import contextlib
import os
import shutil

import pytest

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1280,800",
)
PATIENCE = 60  # seconds that a page may take to load on a busy machine


@contextlib.contextmanager
def chromium(profile):
    """Yield a selenium driver; skip where the browser is missing, but never in CI.

    Args:
        profile: an empty folder for the browser's own files.
    """
    paths = [shutil.which(name) for name in ("chromium", "chromedriver")]
    missing = None if all(paths) else "Debian's chromium and chromium-driver"
    try:
        from selenium import webdriver
    except ImportError:
        missing = "selenium of requirements-dev.txt"
    if missing:
        reason = f"needs {missing}"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    options = webdriver.ChromeOptions()
    options.binary_location = paths[0]
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(paths[1]))
    driver.set_page_load_timeout(PATIENCE)
    try:
        yield driver
    finally:
        driver.quit()
