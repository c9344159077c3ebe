"""The page of a study in a real browser: it fits a phone, its metrics switch, its points can be read."""

from collections.abc import Iterator

import pytest

from lossmith.report.pages.study import write_study

pytestmark = pytest.mark.browser
pytest.importorskip("selenium", reason="selenium is not installed")

from selenium.webdriver.common.keys import Keys  # noqa: E402

from .browser import Browser, opened  # noqa: E402
from .study_example import BENCHMARKS, example  # noqa: E402


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    path = tmp_path_factory.mktemp("study") / "study.html"
    write_study(path, example())
    with opened(path) as browser:
        yield browser
        assert browser.driver.get_log("browser") == []


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_is_no_wider_than_the_screen(page: Browser, width: int) -> None:
    page.emulate(width=width)
    assert page.run("return document.documentElement.scrollWidth") <= width


def test_four_layers_fit_a_phone(page: Browser) -> None:
    page.emulate(width=390)
    assert page.run(
        "const box = arguments[0]; return box.scrollWidth <= box.clientWidth", page.find(".map .scroll")
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_better_and_worse_cells_differ_in_color(page: Browser, scheme: str) -> None:
    page.emulate(scheme)
    color = "return getComputedStyle(arguments[0]).backgroundColor"
    strongest = [page.find(f".heat td.{side}") for side in ("better", "worse")]
    for cell in strongest:
        page.run("arguments[0].style.setProperty('--share', '50%')", cell)
    assert len({page.run(color, cell) for cell in strongest}) == 2


def test_another_metric_is_shown(page: Browser) -> None:
    page.emulate()
    page.show("select.metric")
    shown = "return [...document.querySelectorAll('#benchmark-0 .map')].map((map) => !map.hidden)"
    assert page.run(shown) == [True, False]
    page.choose("select.metric", "1")
    assert page.run(shown) == [False, True]
    assert BENCHMARKS[0][3][1].label in page.find("#benchmark-0 .map:not([hidden]) caption").text


def test_arrow_keys_read_the_points_of_a_plot_from_left_to_right(page: Browser) -> None:
    page.emulate()
    plot = page.show(".plot svg")
    titles = []
    for _ in page.find_all(".plot:first-child .dot")[:3]:
        plot.send_keys(Keys.ARROW_RIGHT)
        titles.append(page.find(".readout").text)
    assert len({*titles}) == len(titles)
    values = [float(title.split("(%) ")[1].split(",")[0]) for title in titles]
    assert values == sorted(values)
    assert len(page.find_all(".dot.lit")) > 1  # the same configuration in the other plots


def test_the_legend_leaves_one_network(page: Browser) -> None:
    button = page.show(".legend button")
    button.click()
    name = button.get_attribute("data-network")
    assert {dot.get_attribute("data-network") for dot in page.find_all(".dot:not(.dim)")} == {name}
    button.click()
    assert not page.find_all(".dot.dim")
