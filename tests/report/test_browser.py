"""The page in a real browser: what moves, moves; what should be reached, is reached; nothing complains."""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from lossmith.core.pixel_format import PixelFormat
from lossmith.report import ReportData, comparison_of, write_report
from lossmith.report.display import INVALID

pytestmark = pytest.mark.browser
selenium = pytest.importorskip("selenium", reason="selenium is not installed")

from selenium.webdriver import ActionChains  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

from .browser import Browser, opened  # noqa: E402
from .conftest import LOSSES, Builder  # noqa: E402


@pytest.fixture(scope="module")
def session(race_data: ReportData, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    folder: Path = tmp_path_factory.mktemp("browser")
    write_report(folder / "report.html", race_data)
    with opened(folder / "report.html") as browser:
        yield browser


@pytest.fixture
def page(session: Browser) -> Iterator[Browser]:
    """The page afresh, every image open; afterwards the console must be silent."""
    session.emulate()
    session.driver.refresh()
    for index in range(len(session.find_all(".comparison"))):
        session.run(f"document.querySelectorAll('.comparison')[{index}].scrollIntoView({{behavior: 'instant'}})")
        ready = f".comparison[data-ready]:is(#image-{index})"
        WebDriverWait(session.driver, 10).until(lambda _, ready=ready: session.find_all(ready))
    session.run("scrollTo({top: 0, behavior: 'instant'})")
    yield session
    assert session.driver.get_log("browser") == []


def seen(page: Browser, selector: str, x: int, y: int) -> list[int]:
    """The color on the screen at a place of an image that is shown without enlargement."""
    shot = Image.open(io.BytesIO(page.show(selector).screenshot_as_png)).convert("RGB")
    return list(np.asarray(shot)[y, x])


def test_the_slider_shows_one_image_on_each_side(page: Browser, race_data: ReportData) -> None:
    comparison, slider = race_data.comparisons[0], "#image-0 .slider"
    x, y = 60, 30  # neither the spot, nor the line, nor a name is there
    left, right = comparison.restored["mix"], comparison.target
    assert not np.array_equal(left[y, x], right[y, x])
    page.choose("#image-0 select.left", "4")
    page.choose("#image-0 select.right", "6")
    position = page.show("#image-0 .position")
    position.send_keys(Keys.HOME)
    assert seen(page, slider, x, y) == right[y, x].tolist()
    position.send_keys(Keys.END)
    assert seen(page, slider, x, y) == left[y, x].tolist()
    page.show("#image-0 .swap").click()
    assert seen(page, slider, x, y) == right[y, x].tolist()
    position.send_keys(Keys.HOME, *[Keys.PAGE_UP] * 3)
    before = float(position.get_property("value"))
    element = page.show(slider)
    ActionChains(page.driver).move_to_element(element).click_and_hold().move_by_offset(60, 0).release().perform()
    after = float(position.get_property("value"))
    assert after != before
    assert after == pytest.approx(50 + 60 / element.size["width"] * 100, abs=1)
    assert f"{round(after)} percent" in position.get_attribute("aria-valuetext")
    page.choose("#image-0 select.left", page.find("#image-0 select.right").get_property("value"))
    versions = page.find_all("#image-0 .slider figure")
    shown = sum(version.value_of_css_property("visibility") == "visible" for version in versions)
    assert shown == 1


def looking_at(page: Browser) -> tuple[float, float]:
    """The top left corner of the close ups of the first image, in its pixels."""
    script = """const style = document.querySelector('#image-0 .looking').style;
        const {width, height} = document.querySelector('#image-0').dataset;
        return [parseFloat(style.left) / 100 * width, parseFloat(style.top) / 100 * height]"""
    left, top = page.run(script)
    return left, top


def check_close_ups(page: Browser, race_data: ReportData) -> None:
    """All close ups show the same place, each of its own image."""
    comparison = race_data.comparisons[0]
    images = [comparison.degraded, *comparison.restored.values(), comparison.target]
    left, top = looking_at(page)
    zoom = int(page.find("#image-0 .zoom").get_property("value"))
    for index, image in enumerate(images):
        canvas = f"#image-0 .crop[data-frame='{index}'] canvas"
        pixels = [page.pixel(canvas, k, k) for k in (20, 77)]
        expected = [image[int(top + (k + 0.5) / zoom), int(left + (k + 0.5) / zoom)].tolist() for k in (20, 77)]
        assert pixels == expected


def test_zoomed_crops_move_together(page: Browser, race_data: ReportData) -> None:
    check_close_ups(page, race_data)
    crop = page.show("#image-0 .crop[data-frame='2']")
    page.find_all("#image-0 .spot")[-1].click()
    start = looking_at(page)
    ActionChains(page.driver).move_to_element(crop).click_and_hold().move_by_offset(24, 12).release().perform()
    zoom = int(page.find("#image-0 .zoom").get_property("value"))
    assert looking_at(page) == pytest.approx(
        (max(0, start[0] - 24 / zoom), max(0, start[1] - 12 / zoom)), abs=0.02
    )
    check_close_ups(page, race_data)
    page.find_all("#image-0 .spot")[0].click()
    start = looking_at(page)
    crop.send_keys(Keys.ARROW_LEFT if start[0] > 60 else Keys.ARROW_RIGHT)
    assert abs(looking_at(page)[0] - start[0]) == pytest.approx(8, abs=0.02)
    crop.send_keys("+")
    assert int(page.find("#image-0 .zoom").get_property("value")) == zoom + 1
    assert page.find("#image-0 .zoomed").text == f"{zoom + 1}×"
    check_close_ups(page, race_data)
    page.choose("#image-0 .what", "error")
    assert page.find_all("#image-0 .crop.empty")
    ActionChains(page.driver).move_to_element(page.show("#image-0 .maps canvas")).click().perform()
    assert looking_at(page) != start


def test_error_maps_share_one_scale(page: Browser, race_data: ReportData) -> None:
    comparison = race_data.comparisons[0]
    maps = page.find_all("#image-0 .maps canvas")
    assert len(maps) == len(comparison.restored) + 1
    error = np.abs(comparison.degraded.astype(int) - comparison.target).sum(axis=2)
    darkest, brightest = (np.unravel_index(i, error.shape) for i in (error.argmin(), error.argmax()))
    selector = "#image-0 .maps canvas[data-frame='0']"
    assert page.pixel(selector, int(brightest[1]), int(brightest[0])) == [252, 255, 164]
    assert sum(page.pixel(selector, int(darkest[1]), int(darkest[0]))) < 12


def test_error_maps_that_the_page_holds_are_in_the_unit_of_the_files(tournament: Builder, tmp_path: Path) -> None:
    pixels = PixelFormat.full_range(1, "uint16")
    target = torch.full((1, 60, 80), 0.01)
    target[:, :, 40:] = 0.02
    restored = target.clone()
    restored[:, 10:16, 10:16] += 1.0  # fewer than one in a hundred pixels, which the scale leaves out
    target[:, 40:50, 10:20] = torch.nan
    comparison = comparison_of("p", target, None, dict.fromkeys(LOSSES, restored), pixels)
    write_report(tmp_path / "report.html", replace(tournament(images={}), comparisons=[comparison]))
    with opened(tmp_path / "report.html") as page:
        page.show("#image-0 .maps canvas")
        WebDriverWait(page.driver, 10).until(lambda _: page.find_all("#image-0[data-ready]"))
        selector = "#image-0 .maps canvas[data-frame='0']"
        assert page.pixel(selector, 12, 12) == [252, 255, 164]
        assert sum(page.pixel(selector, 60, 30)) < 12
        assert page.pixel(selector, 15, 45) == list(INVALID)
        assert page.driver.get_log("browser") == []


def test_the_table_sorts_by_keyboard(page: Browser) -> None:
    def column(number: int) -> list[float]:
        script = """return [...document.querySelectorAll('.summary tbody tr')]
            .map(row => row.cells[arguments[0]].dataset.value)"""
        return [float(value) for value in page.run(script, number)]

    button = page.show(".summary th[data-column='2'] button")
    button.send_keys(Keys.ENTER)
    assert column(2) == sorted(column(2), reverse=True)
    assert page.find(".summary th[data-column='2']").get_attribute("aria-sort") == "descending"
    button.send_keys(Keys.SPACE)
    assert column(2) == sorted(column(2))
    assert [h.get_attribute("aria-sort") for h in page.find_all(".summary th[aria-sort]")].count("none") == 5


def test_a_goal_unfolds_below_the_table_and_folds_when_another_does(page: Browser) -> None:
    def shown() -> list[str]:
        return [panel.get_attribute("id") for panel in page.find_all(".panel") if panel.is_displayed()]

    fidelity, structure = page.find_all(".unfold")[:2]
    assert shown() == []
    page.show(".unfold").send_keys(Keys.ENTER)
    assert shown() == ["goal-fidelity"]
    structure.click()
    assert shown() == ["goal-structure"]
    assert fidelity.get_attribute("aria-expanded") == "false"
    assert structure.get_attribute("aria-expanded") == "true"
    structure.click()
    assert shown() == []


def test_a_phone_shows_one_goal_at_a_time(page: Browser, race_data: ReportData) -> None:
    page.emulate(width=390)
    assert not page.find(".summary").is_displayed()
    for index, goal in enumerate(("fidelity", "structure", "perception")):
        page.show(".tabs")
        page.find_all(".tabs button")[index].click()
        panels = [panel for panel in page.find_all(".panel") if panel.is_displayed()]
        assert [panel.get_attribute("id") for panel in panels] == [f"goal-{goal}"]
        assert all(result.loss in panels[0].text.replace("\n", " ") for result in race_data.results[:4])


def test_print_shows_every_goal_and_no_controls(page: Browser) -> None:
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert all(panel.is_displayed() for panel in page.find_all(".panel"))
        assert page.find(".summary").is_displayed()
        assert not any(
            control.is_displayed() for control in page.find_all(".controls, .tabs, .unfold, .copy, nav, summary")
        )
    finally:
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_difference_images_follow_the_selected_losses(page: Browser, race_data: ReportData) -> None:
    methods = len(race_data.results) + 1
    assert len(page.find_all("#forest tbody tr")) == methods - 1
    page.choose("#difference-reference", "all")
    assert len(page.find_all("#forest tbody tr")) == methods * (methods - 1) // 2
    measures = [option.text for option in page.find_all("#difference-metric option")]
    assert measures[:3] == ["Fidelity", "Structure", "Perception"]
    page.choose("#difference-metric", str(measures.index("GMSD")))
    assert "GMSD" in page.find("#forest thead").text
    outcomes = [cell.text for cell in page.find_all("#forest .outcome")[1:]]
    pairs = [pair.outcome for pair in race_data.differences if pair.metric == "gmsd"]
    for word, kinds in {
        "▲ better": ("better", "worse"),
        "= equivalent": ("equivalent",),
        "undecided": ("undecided",),
    }.items():
        assert outcomes.count(word) == sum(pairs.count(kind) for kind in kinds)
    assert len(page.find_all("#forest .plot .margin")) == len(pairs)
    assert "all pairs are right together with 95 %" in page.find("#forest-note").text


def test_curves_can_be_selected_hidden_and_read(page: Browser, race_data: ReportData) -> None:
    lines = len(race_data.results)
    assert len(page.find_all("#curve-chart .line:not(.thin)")) == lines
    assert len(page.find_all("#curve-chart .line.thin")) == sum(race_data.race[-1].seeds.values())
    page.show("#curve-legend button").click()
    assert len(page.find_all("#curve-chart .line:not(.thin)")) == lines - 1
    page.choose("#curve-view", "loss")
    page.choose("#curve-axis", "time")
    assert "relative to its start" in page.find("#curve-chart").text
    page.choose("#curve-view", "terms")
    assert len(page.find_all("#curve-chart .line:not(.thin)")) == 3
    page.find("#curve-chart svg").send_keys(Keys.ARROW_LEFT)
    assert page.find("#curve-chart .tip").is_displayed()
    assert "0.84*ms_ssim" in page.find("#curve-readout").get_property("textContent")


@pytest.mark.parametrize("width", [1280, 390])
def test_chart_labels_do_not_overlap(page: Browser, width: int, race_data: ReportData) -> None:
    page.emulate(width=width)
    page.show("#plane-chart")
    WebDriverWait(page.driver, 5).until(
        lambda _: page.run("return document.querySelector('#plane-chart svg').clientWidth") < width
    )
    boxes = page.run(
        """return [...document.querySelectorAll('#plane-chart text.name')].map(t => t.getBoundingClientRect())
        .map(b => [b.left, b.top, b.right, b.bottom])"""
    )
    assert len(boxes) == len(race_data.results)
    for i, (left, top, right, bottom) in enumerate(boxes):
        assert left >= 0
        assert right <= width
        for other in boxes[:i]:
            overlap_width = min(right, other[2]) - max(left, other[0])
            high = min(bottom, other[3]) - max(top, other[1])
            assert min(overlap_width, high) <= 3
    assert len(page.find_all("#plane-chart .front-line")) == 1
    page.find("#plane-degraded").click()
    assert len(page.find_all("#plane-chart text.name")) == len(race_data.results) + 1


def test_every_control_can_be_focused_by_keyboard(page: Browser) -> None:
    describe = """const e = document.activeElement, s = getComputedStyle(e);
        const name = e.className?.baseVal ?? e.className;
        return [name, e.id, e.tagName, s.outlineStyle, parseFloat(s.outlineWidth)]"""
    # Chromium walks on from wherever it last was; focusing the body begins at the top
    page.run("const body = document.body; body.tabIndex = -1; body.focus(); body.removeAttribute('tabindex')")
    focused: list[list[Any]] = []
    for _ in range(200):
        ActionChains(page.driver).send_keys(Keys.TAB).perform()
        element = page.run(describe)
        if element[2] == "BODY" or (len(focused) > 5 and element[0] == "skip"):
            break
        focused.append(element)
    assert focused[0][0] == "skip"
    names = {str(part) for element in focused for part in element[:3]}
    expected_names = {
        "scroll",
        "unfold needs-js",
        "difference-metric",
        "difference-reference",
        "curve-view",
        "curve-axis",
        "plane-degraded",
    }
    expected_names |= {
        "left",
        "right",
        "swap",
        "position needs-js",
        "spot",
        "zoom",
        "what",
        "crop",
        "A",
        "copy needs-js",
        "PRE",
    }
    assert expected_names <= names
    assert all(style != "none" and width >= 1 for *_, style, width in focused)


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_nothing_is_wider_than_the_screen(page: Browser, width: int) -> None:
    page.emulate(width=width)
    assert page.run("return document.documentElement.scrollWidth") <= width
    if width == 1280:
        page.show(".unfold").click()
    widths = page.run(
        """return [...document.querySelectorAll('.results, .panel, .lanes, .rates, .cards')]
        .map(e => [e.scrollWidth, e.clientWidth, e.getBoundingClientRect().right])"""
    )
    assert widths
    assert all(inner <= outer + 1 and right <= width for inner, outer, right in widths)


def test_dark_mode_reaches_text_and_charts(page: Browser) -> None:
    script = """const look = (s, p) => getComputedStyle(document.querySelector(s))[p];
        return [look('body', 'backgroundColor'), look('body', 'color'),
                look('#curve-chart .line.m0', 'stroke'), look('.results .m0', 'color')]"""
    light_colors = page.run(script)
    page.emulate(scheme="dark")
    dark_colors = page.run(script)
    assert all(one != other for one, other in zip(light_colors, dark_colors, strict=True))
    assert light_colors[2] == light_colors[3]
    assert dark_colors[2] == dark_colors[3]
    assert dark_colors[0] == "rgb(19, 20, 23)"


def test_the_command_can_be_copied(page: Browser) -> None:
    button = page.show("button.copy")
    button.click()
    WebDriverWait(page.driver, 5).until(lambda _: button.text in ("Copied", "Press Ctrl+C"))


EMPTY_PICTURES = """
    const shown = element => element.checkVisibility({visibilityProperty: true});
    const images = [...document.querySelectorAll("img")].filter(shown);
    const blank = canvas => !canvas.width || !canvas.getContext("2d")
        .getImageData(0, 0, canvas.width, canvas.height).data.some(value => value);
    return [images.length, images.filter(image => !image.naturalWidth).length,
            [...document.querySelectorAll("canvas")].filter(canvas => shown(canvas) && blank(canvas)).length]"""
"""The number of visible images, of those that are broken, and of visible canvases on which nothing is drawn."""


@pytest.mark.parametrize("height", [1000, 20000], ids=["screen", "whole page"])
def test_all_pictures_are_there_when_the_page_has_loaded(session: Browser, height: int) -> None:
    session.emulate(height=height)
    session.driver.refresh()
    images, broken, blank = session.run(EMPTY_PICTURES)
    assert images > 0
    assert broken == blank == 0
    if height == 20000:
        assert len(session.find_all(".comparison[data-ready]")) == len(session.find_all(".comparison"))
    session.emulate()


def test_a_print_has_all_versions_and_no_blank_box(session: Browser, race_data: ReportData) -> None:
    session.emulate()
    session.driver.refresh()
    session.driver.execute_cdp_cmd("Page.printToPDF", {})  # as `chromium --print-to-pdf` does
    assert len(session.find_all(".comparison[data-ready]")) == len(race_data.comparisons)
    session.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert session.run(EMPTY_PICTURES)[1:] == [0, 0]
        versions = sum(len(comparison.restored) + 2 for comparison in race_data.comparisons)
        assert sum(image.is_displayed() for image in session.find_all(".gallery img")) == versions
        assert not any(element.is_displayed() for element in session.find_all(".divider, .tag, .position"))
    finally:
        session.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_the_page_opens_with_pictures_in_two_rows(page: Browser) -> None:
    for width, rows, columns in ((1280, 2, 4), (390, 4, 2)):
        page.emulate(width=width)
        tops = page.run("return [...document.querySelectorAll('.strip figure')].map(f => f.offsetTop)")
        assert len(set(tops)) == rows
        assert max(tops.count(top) for top in tops) == columns
    page.emulate()
    left, top, side = page.run(
        """const box = document.querySelector('.place i').getBoundingClientRect();
        const whole = document.querySelector('.place img').getBoundingClientRect();
        const share = (length) => length / whole.width;
        return [share(box.left - whole.left), share(box.top - whole.top), share(box.width)]"""
    )
    assert 0 <= left <= 1 - side
    assert top >= 0
    assert 0 < side < 1


def test_verdict_and_table_work_without_javascript(page: Browser, race_data: ReportData) -> None:
    page.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        page.driver.refresh()
        assert page.find(".headline").is_displayed()
        assert len(page.find_all(".summary tbody tr")) == len(race_data.results) + 1
        assert all(panel.is_displayed() for panel in page.find_all(".panel"))
        assert all(image.is_displayed() for image in page.find_all("img"))
        assert not any(element.is_displayed() for element in page.find_all("canvas, .divider, .spot"))
        assert not page.find("#curve-chart").is_displayed()
    finally:
        page.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
