"""The page in a real browser: headless Chromium, which CI must have and others may."""

from __future__ import annotations

import pytest

from tests import browser
from tests.live.live_parts import BOXES, SquareFinder, running, until
from vision.datasets.opening import open_split
from vision.live.serving.guard import Access

RED, GREEN = list(BOXES["red"]), list(BOXES["green"])


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    """Start the browser once."""
    with browser.chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


class Page:
    """What a person does and sees."""

    def __init__(self, driver):
        self.driver = driver

    def find(self, name):
        return self.driver.find_element("id", name)

    def all(self, selector):
        return self.driver.find_elements("css selector", selector)

    def click(self, name):
        until(lambda: self.find(name).is_displayed() and self.find(name).is_enabled(), name)
        self.find(name).click()

    def press(self, *keys):
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def script(self, code, *arguments):
        return self.driver.execute_script(code, *arguments)

    def boxes(self):
        """Return the boxes of the editor, by the names that a screen reader reads."""
        groups = "[...document.querySelectorAll('#boxes g[role=button]')]"
        return sorted(self.script(f"return {groups}.map((g) => g.getAttribute('aria-label'))"))

    def counts(self):
        items = "[...document.querySelectorAll('#classes li')]"
        return [text.split() for text in self.script(f"return {items}.map((i) => i.innerText)")]

    def place(self, x, y):
        """Return where a pixel of the picture is on the screen."""
        area = self.script(
            "const r = document.getElementById('boxes').getBoundingClientRect();"
            "return [r.left, r.top, r.width, r.height]"
        )
        return round(area[0] + x * area[2] / 160), round(area[1] + y * area[3] / 120)

    def drag(self, start, end, kind="mouse"):
        """Drag from one pixel of the picture to another; return the shift in whole pixels."""
        from selenium.webdriver import ActionChains
        from selenium.webdriver.common.actions.action_builder import ActionBuilder
        from selenium.webdriver.common.actions.pointer_input import PointerInput

        (x1, y1), (x2, y2) = self.place(*start), self.place(*end)
        builder = ActionBuilder(self.driver, mouse=PointerInput(kind, kind))
        action = builder.pointer_action
        action.move_to_location(x1, y1)
        action.pointer_down()
        action.move_to_location((x1 + x2) // 2, (y1 + y2) // 2)
        action.move_to_location(x2, y2)
        action.pointer_up()
        builder.perform()
        ActionChains(self.driver).reset_actions()
        width = self.script("return document.getElementById('boxes').getBoundingClientRect().width")
        return round((x2 - x1) * 160 / width), round((y2 - y1) * 160 / width)

    def label(self, box, name):
        x1, y1, x2, y2 = box
        return f"{name}, left {x1}, top {y1}, {x2 - x1} wide, {y2 - y1} high"

    def freeze(self):
        self.click("freeze")
        until(lambda: self.boxes(), "the frozen picture")
        loaded = "const i = document.getElementById('frozen'); return i.complete && i.naturalWidth"
        until(lambda: self.script(loaded) == 160, "the picture itself")

    def save(self):
        self.press("s")
        until(lambda: "Saved" in self.find("message").text, self.find("message").text)


@pytest.fixture
def page(chromium, demo):
    chromium.get(demo.address)
    chromium.execute_script("sessionStorage.clear()")
    chromium.get(demo.address)
    page = Page(chromium)
    until(lambda: page.find("freeze").is_displayed(), "the page")
    chromium.get_log("browser")
    yield page
    faults = [entry for entry in chromium.get_log("browser") if entry["level"] == "SEVERE"]
    # A browser also notes each answer that says no.
    assert [one for one in faults if "status of 400" not in one["message"]] == []


def saved_boxes(demo):
    index = open_split(demo.session.store.folder, split="all")
    return [
        sorted(
            (index.class_names[label], box) for label, box in zip(one.labels, one.boxes.tolist())
        )
        for one in index
    ]


def test_a_slider_shows_fewer_boxes_at_once(page, demo):
    from selenium.webdriver.common.keys import Keys

    until(lambda: page.counts() == [["red", "1"], ["green", "1"], ["blue"]], "the counts")
    green = """
        const canvas = document.getElementById('live');
        const [r, g, b] = canvas.getContext('2d').getImageData(80, 40, 1, 1).data;
        return [r, g, b];
    """
    before = until(lambda: sum(page.script(green)) and page.script(green), "the picture")
    slider = page.find("threshold")
    slider.send_keys(Keys.END, *[Keys.LEFT] * 30)
    until(lambda: page.counts() == [["red", "1"], ["green"], ["blue"]], "fewer boxes")
    until(lambda: page.script(green) != before, "the other picture")
    assert page.find("threshold-value").text == "0.70"
    assert demo.settings.now.threshold == 0.7
    page.driver.refresh()
    until(lambda: page.find("threshold-value").text == "0.70", "the state after a reload")


def test_classes_can_be_hidden(page, demo):
    until(lambda: page.counts()[0] == ["red", "1"], "the counts")
    page.all("#classes input")[0].click()
    until(lambda: demo.settings.now.hidden == {"red"}, "the setting")
    page.driver.refresh()
    until(lambda: page.all("#classes input"), "the classes")
    until(lambda: not page.all("#classes input")[0].is_selected(), "the box without its tick")


def test_a_dragged_box_is_saved_to_the_pixel(page, demo):
    page.freeze()
    assert page.boxes() == sorted([page.label(RED, "red"), page.label(GREEN, "green")])
    right, down = page.drag((40, 50), (53, 61))
    x1, y1, x2, y2 = RED
    moved = [x1 + right, y1 + down, x2 + right, y2 + down]
    assert (right, down) == (13, 11)
    assert page.label(moved, "red") in page.boxes()
    page.save()
    assert saved_boxes(demo) == [[("green", GREEN), ("red", moved)]]
    text = next((demo.session.store.folder / "Annotations").iterdir()).read_text()
    for tag, value in zip(("xmin", "ymin", "xmax", "ymax"), moved):
        assert f"<{tag}>{value + 1}</{tag}>" in text, "VOC counts from 1"


def test_corners_new_boxes_names_and_deletion(page, demo):
    page.freeze()
    page.drag((40, 50), (40, 50))  # choose the red one
    right, down = page.drag((60, 80), (70, 75))
    red = [RED[0], RED[1], RED[2] + right, RED[3] + down]
    until(lambda: page.label(red, "red") in page.boxes(), "the corner")
    page.drag((5, 95), (45, 115))
    assert len(page.boxes()) == 3
    page.press("3")
    drawn = page.script("return document.querySelector('#boxes [aria-pressed=true]').ariaLabel")
    assert drawn.startswith("blue, left ")
    page.drag((90, 30), (90, 30))
    page.press("\ue017")  # Delete
    assert not [label for label in page.boxes() if label.startswith("green")]
    page.save()
    (found,) = saved_boxes(demo)
    assert [name for name, _ in found] == ["blue", "red"]
    assert found[1][1] == red
    assert found[0][1] == pytest.approx([5, 95, 45, 115], abs=1)


def test_a_finger_draws_too(page):
    page.freeze()
    page.drag((5, 95), (45, 115), kind="touch")
    assert len(page.boxes()) == 3


def test_keys_alone_do_everything(page, demo):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    page.find("freeze").send_keys("f")
    until(lambda: len(page.boxes()) == 2, "the frozen picture")
    page.script("document.querySelector('#boxes g').focus()")
    chosen = "return document.activeElement.getAttribute('aria-label')"
    assert page.script(chosen) == page.label(RED, "red")
    page.press(Keys.TAB)
    assert page.script(chosen) == page.label(GREEN, "green")
    back = ActionChains(page.driver).key_down(Keys.SHIFT).send_keys(Keys.TAB)
    back.key_up(Keys.SHIFT).perform()
    assert page.script(chosen) == page.label(RED, "red")
    page.press(Keys.RIGHT, Keys.RIGHT, Keys.DOWN)
    shift = ActionChains(page.driver).key_down(Keys.SHIFT).send_keys(Keys.LEFT, Keys.UP, Keys.UP)
    shift.key_up(Keys.SHIFT).perform()
    far = ActionChains(page.driver).key_down(Keys.CONTROL).send_keys(Keys.RIGHT)
    far.key_up(Keys.CONTROL).perform()
    x1, y1, x2, y2 = RED
    expected = [x1 + 12, y1 + 1, x2 + 11, y2 - 1]
    assert page.label(expected, "red") in page.boxes()
    for number, side in enumerate(("x1", "y1", "x2", "y2")):
        assert page.find(side).get_attribute("value") == str(expected[number])
    page.press("n")
    assert len(page.boxes()) == 3
    page.press(Keys.DELETE)
    assert len(page.boxes()) == 2
    page.save()
    assert saved_boxes(demo) == [[("green", GREEN), ("red", expected)]]


def test_a_reload_keeps_the_draft_and_undo_takes_the_save_back(page, demo):
    page.freeze()
    page.press("n")
    before = page.boxes()
    assert len(before) == 3
    page.driver.refresh()
    until(lambda: page.boxes() == before, "the draft")
    page.save()
    assert len(demo.session.store.names) == 1
    until(lambda: page.all("#thumbnails img"), "the thumbnail")
    page.click("undo")
    until(lambda: not page.all("#thumbnails img"), "its end")
    assert demo.session.store.names == []


def test_a_saved_picture_is_opened_and_saved_anew(page, demo):
    page.freeze()
    page.save()
    until(lambda: page.all("#thumbnails button"), "the thumbnail")[0].click()
    until(lambda: len(page.boxes()) == 2, "the saved picture")
    page.all("input[name=part]")[2].click()
    page.drag((40, 50), (40, 50))
    page.press("\ue017")
    page.save()
    (name,) = demo.session.store.names
    assert demo.session.store.part_of(name) == "test"
    assert saved_boxes(demo) == [[("green", GREEN)]]


def test_two_tabs_do_not_overwrite_each_other(page, demo):
    driver = page.driver
    page.freeze()
    page.save()
    first = driver.current_window_handle
    until(lambda: page.all("#thumbnails button"), "the thumbnail")[0].click()
    until(lambda: len(page.boxes()) == 2, "the first tab")
    driver.switch_to.new_window("tab")
    driver.get(demo.address)
    try:
        until(lambda: page.all("#thumbnails button"), "the second tab")[0].click()
        until(lambda: len(page.boxes()) == 2, "its picture")
        page.press("n")
        page.save()
    finally:
        driver.close()
        driver.switch_to.window(first)
    page.press("s")
    until(lambda: "another window" in page.find("message").text, "the refusal")
    assert len(saved_boxes(demo)[0]) == 3


def test_names_of_classes_are_never_markup(page, demo):
    names = ["<img src=x onerror=document.title='hit'>", "<b>bold</b>"]
    page.script("document.getElementById('class-list').open = true")
    field = page.find("names")
    field.clear()
    field.send_keys("\n".join(names))
    page.click("set-names")
    until(lambda: demo.session.store.class_names == names, "the class list")
    until(lambda: len(page.all("#counts li")) == 2, "the list on the page")
    assert [item.text.rsplit(None, 1)[0] for item in page.all("#counts li")] == names
    page.click("freeze")
    until(lambda: page.find("add").is_displayed(), "the frozen picture")
    page.press("n")
    until(lambda: page.boxes(), "the box")
    assert page.all("#boxes text")[0].text == names[0]
    assert page.driver.title == "Live detection"
    assert page.all("aside img[src=x], aside b") == []


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_cut_off(page, width):
    metrics = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 500}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        for step in (lambda: None, page.freeze):
            step()
            assert page.script("return document.documentElement.scrollWidth") <= width
            # A finger needs some room.
            for button in page.all("main button"):
                assert not button.is_displayed() or button.size["height"] >= 40, button.text
    finally:
        page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_everything_has_a_name(page):
    page.freeze()
    nameless = page.script("""
        return [...document.querySelectorAll("button, input, select, textarea, img, canvas, svg")]
            .filter((one) => one.offsetParent && !(one.ariaLabel || one.alt === "" || one.alt ||
                one.textContent.trim() || (one.labels && one.labels.length)))
            .map((one) => one.outerHTML)
    """)
    assert nameless == []


def test_the_link_with_the_token_opens_and_leaves_the_address(chromium, picture, tmp_path):
    access = Access(port=0, token="a-token-for-it")
    with running(picture, tmp_path, SquareFinder(), access=access) as demo:
        chromium.get(demo.address)
        page = Page(chromium)
        page.find("token").send_keys("a-token-for-it\n")
        until(lambda: page.all("#classes li"), "the page")
        assert chromium.current_url == f"{demo.address}/"
        chromium.refresh()
        until(lambda: page.all("#classes li"), "the page by its cookie")
        chromium.delete_all_cookies()
        chromium.get("about:blank")
