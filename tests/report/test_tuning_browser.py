"""The page of a search in a real browser: the slider, the marks, the keys, and what is left without a script."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser
selenium = pytest.importorskip("selenium", reason="selenium is not installed")

from selenium.webdriver.common.keys import Keys  # noqa: E402

from lossmith.report import write_tuning  # noqa: E402
from lossmith.report.tuning_front import along_front  # noqa: E402

from .browser import Browser, opened  # noqa: E402
from .tuning_example import search_example  # noqa: E402

CONTENTS = search_example()
CHART = ".charts .chart svg"


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    folder: Path = tmp_path_factory.mktemp("tuning")
    write_tuning(folder / "report.html", CONTENTS)
    with opened(folder / "report.html") as browser:
        yield browser


@pytest.fixture
def page(session: Browser) -> Iterator[Browser]:
    session.emulate()
    session.driver.refresh()
    yield session
    assert session.driver.get_log("browser") == []


def shown(page: Browser) -> list[str]:
    """Which member is shown in the chart, in the words, in the pictures and in the table."""
    return [
        page.find(f"{CHART} .member.shown").get_attribute("data-member"),
        page.find(".choice:not([hidden])").get_attribute("data-member"),
        str(int(page.find(".named-member").text) - 1),
        page.find(".members tr.shown").get_attribute("data-member"),
    ]


def test_the_slider_goes_along_the_front(page: Browser) -> None:
    slider = page.show("#along")
    for index in range(len(CONTENTS.members)):
        assert shown(page) == [str(index)] * 4
        source = page.find(f'.strip tbody tr:first-child td[data-member="{index}"] img').get_attribute("src")
        assert page.find(".views .restored").get_attribute("src") == source
        assert slider.get_attribute("aria-valuetext").startswith(f"{index + 1}: l1 + ")
        slider.send_keys(Keys.ARROW_RIGHT)
    assert len(page.find_all(f"{CHART} .member.shown")) == 1


def test_a_click_on_a_mark_or_a_picture_shows_its_member(page: Browser) -> None:
    page.show(f'{CHART} .member[data-member="2"] .point').click()
    assert shown(page) == ["2"] * 4
    page.show('.strip tbody td[data-member="1"]').click()
    assert shown(page) == ["1"] * 4
    assert page.find("#along").get_attribute("value") == "1"


def test_the_keys_go_through_all_points_from_left_to_right(page: Browser) -> None:
    chart, read = page.show(CHART), lambda: page.find(".charts .readout").text
    assert not page.find(".charts .readout").text
    words = []
    page.run("arguments[0].focus()", chart)
    for _ in page.find_all(f"{CHART} :is(.dot, .member)"):
        chart.send_keys(Keys.ARROW_RIGHT)
        words.append(read())
    assert len(set(words)) == len(words)
    assert sum(text.startswith("trial ") for text in words) == sum(bool(t.scores) for t in CONTENTS.trials)
    chart.send_keys(Keys.END, Keys.ENTER)
    last = next(i for i in range(len(words) - 1, -1, -1) if not words[i].startswith("trial"))
    for _ in range(len(words) - 1 - last):
        chart.send_keys(Keys.ARROW_LEFT)
    chart.send_keys(Keys.ENTER)
    assert page.find(".named-member").text == words[last].split(":")[0].split(",")[0]
    chart.send_keys(Keys.ESCAPE)
    assert not read()


def test_the_trials_can_be_sorted(page: Browser) -> None:
    page.show(".trials thead th:nth-child(4) button").click()
    scores = page.run(
        "return [...document.querySelectorAll('.trials tbody tr')].map(row => row.cells[3].dataset.value ?? null)"
    )
    numbers = [float(score) for score in scores if score is not None]
    assert numbers == sorted(numbers, reverse=True)
    assert scores[len(numbers) :] == [None] * (len(scores) - len(numbers))


def test_expressions_and_the_command_are_copied_as_they_are_typed(page: Browser) -> None:
    page.run(
        "window.copied = []; const writeText = async (text) => copied.push(text);"
        "Object.defineProperty(navigator, 'clipboard', { value: { writeText } })"
    )
    places = (".take", ".members tbody th", ".command")
    for place in places:
        button = page.show(f"{place} button.copy")
        button.click()
        assert button.text == "Copied"
    recommended, listed, command = page.run("return copied")
    assert recommended in {member.loss for member in CONTENTS.members}
    assert listed == along_front(CONTENTS)[0].loss
    assert command == CONTENTS.command


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_nothing_is_wider_than_the_screen(page: Browser, width: int) -> None:
    page.emulate(width=width)
    assert page.run("return document.documentElement.scrollWidth") <= width
    assert page.find(".strip").is_displayed() == (width > 640)


def test_dark_mode_reaches_the_chart(page: Browser) -> None:
    script = f"""const color = (s, p) => getComputedStyle(document.querySelector(s))[p];
        return [color('body', 'backgroundColor'), color('{CHART} .title', 'fill'), color('{CHART} .m0', 'color'),
                color('{CHART} .dot circle', 'fill')]"""
    light_colors = page.run(script)
    page.emulate(scheme="dark")
    assert all(one != other for one, other in zip(light_colors, page.run(script), strict=True))


def test_without_a_script_everything_but_the_slider_is_there(page: Browser) -> None:
    page.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        for width in (1280, 390):
            page.emulate(width=width)
            page.driver.refresh()
            assert all(image.is_displayed() for image in page.find_all(".strip img"))
            assert len(page.find_all(f"{CHART} .member")) == len(CONTENTS.members)
            assert not any(e.is_displayed() for e in page.find_all(".viewer, button.copy, .readout"))
    finally:
        page.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_a_print_has_the_pictures_of_all_members_side_by_side(page: Browser) -> None:
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        page.emulate(width=760)
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        assert not page.find(".viewer").is_displayed()
        assert all(image.is_displayed() for image in page.find_all(".strip img"))
        assert page.run("return document.documentElement.scrollWidth") <= 760
    finally:
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
