"""The report in a real browser."""

from __future__ import annotations

import base64

import cv2
import numpy as np
import pytest

from tests.browser import chromium
from tests.evaluation.report.drawn import drawn_entry
from vision.evaluation.report.page import page

EVIL = '<script>document.title = "taken"</script>'


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Return the path of a report on two detectors, one of which has a wicked name."""
    folder = tmp_path_factory.mktemp("report")
    path = folder / "report.html"
    names = ["BACKGROUND", "apple", EVIL, "zebra"]
    entries = [drawn_entry(folder, count=12, names=names), drawn_entry(folder, EVIL)]
    path.write_text(page("Drawn squares", entries), encoding="utf-8")
    return path


@pytest.fixture(params=[(1280, 800), (390, 844)], ids=["screen", "phone"])
def shown(request, browser, report):
    """Return the browser with the report in it, on a screen or on a phone."""
    width, height = request.param
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    set_media(browser)
    browser.get_log("browser")
    browser.get(report.as_uri())
    return browser


def set_media(browser, scheme="light", media=""):
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})


def script(browser, code, *arguments):
    return browser.execute_script(f"return {code}", *arguments)


def find_all(browser, selector):
    return browser.find_elements("css selector", selector)


def click(browser, element):
    """Click where a person would, below the bar that stays on top."""
    script(browser, "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element)
    element.click()


def test_the_page_shows_itself_and_asks_for_nothing(shown):
    assert shown.title == "Drawn squares"
    assert shown.get_log("browser") == []
    requests = "performance.getEntriesByType('resource').map((one) => one.name)"
    assert [one for one in script(shown, requests) if not one.startswith("data:")] == []
    pictures = "[...document.images].filter((one) => one.naturalWidth === 0).length"
    assert script(shown, pictures) == 0
    assert len(find_all(shown, "img")) > 20


def test_nothing_is_wider_than_the_window(shown):
    sizes = "[document.documentElement.scrollWidth, window.innerWidth]"
    content, window = script(shown, sizes)
    assert content <= window


def test_a_click_on_a_heading_sorts_the_table(shown):
    def column(number):
        rows = find_all(shown, f"#classes tbody tr > :nth-child({number})")
        return [row.get_attribute("textContent") for row in rows]

    before = column(1)
    assert before == ["apple", EVIL, "zebra"]
    heading = find_all(shown, "#classes th:nth-child(2) button")[0]
    click(shown, heading)
    falling = [int(text) for text in column(2)]
    assert falling == sorted(falling, reverse=True)
    click(shown, heading)
    assert [int(text) for text in column(2)] == sorted(falling)
    assert (
        script(shown, "document.querySelector('#classes th:nth-child(2)').ariaSort") == "ascending"
    )
    click(shown, find_all(shown, "#classes th:nth-child(1) button")[0])
    assert column(1) == sorted(before)
    assert find_all(shown, "#classes tfoot th")[0].text == "all"


def test_a_click_on_a_cell_shows_its_pictures(shown):
    cell = next(one for one in find_all(shown, ".matrix td.e1, .matrix td.e2, .matrix td.e3"))
    link = cell.find_element("tag name", "a")
    target = link.get_attribute("href").split("#")[1]
    gallery = shown.find_element("id", target)
    assert not gallery.is_displayed()
    click(shown, link)
    assert gallery.is_displayed()
    tiles = gallery.find_elements("tag name", "img")
    assert len(tiles) == min(6, int(link.text))
    assert all(tile.is_displayed() for tile in tiles)
    assert [one for one in find_all(shown, ".cell") if one.is_displayed()] == [gallery]


def pixels(browser):
    shot = base64.b64decode(browser.get_screenshot_as_base64())
    return cv2.imdecode(np.frombuffer(shot, np.uint8), cv2.IMREAD_COLOR)


def test_the_dark_is_dark_and_paper_is_white(shown):
    plot = find_all(shown, "#curves img")[0]
    script(shown, "arguments[0].scrollIntoView({behavior: 'instant'})", plot)
    for scheme, media, is_dark in (
        ("light", "", False),
        ("dark", "", True),
        ("dark", "print", False),
    ):
        set_media(shown, scheme, media)
        image = pixels(shown)
        assert (np.median(image) < 60) == is_dark, (scheme, media)
        assert ((image > 200).mean() < 0.2) == is_dark, (scheme, media)


def test_a_name_is_a_text_and_no_script(shown):
    assert shown.title == "Drawn squares"
    cells = [one.get_attribute("textContent") for one in find_all(shown, "#classes tbody th")]
    assert EVIL in cells
    assert len(find_all(shown, "script")) == 1


def test_without_script_the_report_is_still_readable(browser, report):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(report.as_uri() + "#cell-0-0")
        assert "It finds" in find_all(browser, ".verdict")[0].text
        assert find_all(browser, "#classes table")[0].is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
