"""Who pulls how much and where, on the page of a tournament."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lossmith.evaluation.pulls import MeanPulls, Pulls
from lossmith.report import PullMaps, ReportData, write_report
from lossmith.report.display import INVALID
from lossmith.report.methods import methods_of
from lossmith.report.pull_pictures import RAMP, all_pull_pictures, colored
from lossmith.report.pulls_view import pulls_in_words, pulls_views

from .conftest import LOSSES, Builder
from .test_tournament_page import Page

A, B, C = "l1", "0.1*ssim", "0.001*tv"
NAN = float("nan")


def words(mean: MeanPulls, **over_steps: list[float]) -> str:
    spans = pulls_in_words(mean, {term: np.array(values) for term, values in over_steps.items()})
    return "".join(span.text for span in spans)


def with_pulls(data: ReportData, *runs: Pulls) -> ReportData:
    """The first loss pulled so in its runs; no other loss has several terms."""
    results = [replace(result, pulls=list(runs) if i == 0 else []) for i, result in enumerate(data.results)]
    return replace(data, results=results)


@pytest.mark.parametrize(
    ("cosine", "expected"),
    [
        (0.4, "they pull in the same direction (cosine 0.40)"),
        (-0.5, "they pull against each other (cosine −0.50)"),
        (0.03, "they pull at different things (cosine 0.03)"),
    ],
)
def test_a_sentence_says_who_pulls_and_how_they_stand(cosine: float, expected: str) -> None:
    mean = MeanPulls({A: 0.83, B: 0.17}, {(A, B): cosine})
    assert words(mean) == f"l1 pulls 83 %, 0.1*ssim 17 %; {expected}."


def test_of_three_terms_it_names_the_pairs_that_agree_most_and_least() -> None:
    mean = MeanPulls({A: 0.6, B: 0.395, C: 0.005}, {(A, B): 0.7, (A, C): -0.3, (B, C): 0.0})
    assert words(mean) == (
        "l1 pulls 60 %, 0.1*ssim 40 %, 0.001*tv 0.5 %; l1 and 0.1*ssim pull in the same direction (cosine 0.70), "
        "l1 and 0.001*tv pull against each other (cosine −0.30)."
    )


def test_a_term_without_a_direction_has_no_cosine() -> None:
    assert words(MeanPulls({A: 1.0, B: 0.0}, {})) == "l1 pulls 100 %, 0.1*ssim 0 %."


def test_it_says_what_changed_much() -> None:
    mean = MeanPulls({"a": 0.5, "b": 0.5}, {})
    assert words(mean, a=[0.7, 0.4, 0.3], b=[0.3, 0.6, 0.7]).endswith("; the share of a fell from 70 % to 30 %.")
    assert words(mean, a=[0.52, 0.48], b=[0.48, 0.52]) == "a pulls 50 %, b 50 %."


def test_losses_of_one_term_are_not_shown(report_data: ReportData, tmp_path: Path) -> None:
    methods = methods_of(report_data)
    assert [view.method.name for view in pulls_views(report_data, methods)] == LOSSES[3:]
    plain = with_pulls(report_data)
    write_report(tmp_path / "page.html", plain)
    assert not pulls_views(plain, methods)
    assert "against whom" not in Page(tmp_path / "page.html").text


def numbers(path: str) -> np.ndarray:
    return np.array([[float(number) for number in point.split()] for point in re.split("[MLZ]+", path) if point])


def test_areas_fill_the_drawing_and_lines_are_means_over_the_seeds(report_data: ReportData) -> None:
    runs = [
        Pulls([1, 101, 301], {A: [0.8, 0.5, 0.2], B: [0.2, 0.5, 0.8]}, {(A, B): [-1.0, 0.0, 1.0]}),
        Pulls([1, 101, 301], {A: [0.6, 0.5, 0.4], B: [0.4, 0.5, 0.6]}, {(A, B): [0.0, 0.0, NAN]}),
    ]
    data = with_pulls(report_data, *runs)
    (view,) = pulls_views(data, methods_of(data))
    across = [0.0, 100 / 3, 100.0]
    edge = [70.0, 50.0, 30.0]
    first, second = (numbers(series.drawing) for series in view.shares)
    np.testing.assert_allclose(first[:3], np.transpose([across, [0.0] * 3]), atol=0.01)
    np.testing.assert_allclose(first[3:], np.transpose([across, edge])[::-1], atol=0.01)
    np.testing.assert_allclose(second[:3], np.transpose([across, edge]), atol=0.01)
    np.testing.assert_allclose(second[3:, 1], 100.0)
    assert [series.mean for series in view.shares] == ["50 %", "50 %"]
    assert [series.change for series in view.shares] == ["70 % → 30 %", "30 % → 70 %"]
    (cosine,) = view.cosines
    # up is the same direction; after the last step that both seeds have, there is no mean
    np.testing.assert_allclose(numbers(cosine.drawing), [[0, 75], [100 / 3, 50]], atol=0.01)
    assert len(cosine.seeds) == 2


def test_the_stages_of_a_schedule_have_a_sentence_each(report_data: ReportData) -> None:
    run = Pulls([1, 101], {A: [0.8, NAN], B: [0.2, 0.9], C: [NAN, 0.1]}, {(A, B): [0.5, NAN], (B, C): [NAN, -0.5]})
    data = with_pulls(report_data, run)
    (view,) = pulls_views(data, methods_of(data))
    assert "".join(span.text for span in view.sentence) == (
        "l1 pulls 80 %, 0.1*ssim 20 %; they pull in the same direction (cosine 0.50). "
        "From step 101 on: 0.1*ssim pulls 90 %, 0.001*tv 10 %; they pull against each other (cosine −0.50)."
    )


def test_percentages_are_told_in_numbers(report_data: ReportData, tmp_path: Path) -> None:
    data = with_pulls(report_data, Pulls([1, 101], {A: [0.8, 0.8], B: [0.2, 0.2]}, {}))
    found = [replace(result, in_numbers=["0.8*l1 + 0.0312*tv", "0.8*l1 + 0.03*tv"]) for result in data.results]
    write_report(tmp_path / "page.html", replace(data, results=found))
    assert "In numbers: 0.8*l1 + 0.0312*tv" in " ".join(Page(tmp_path / "page.html").text.split())
    write_report(tmp_path / "page.html", data)
    assert "In numbers" not in Page(tmp_path / "page.html").text


@pytest.mark.parametrize("looks", [1, 3])
def test_the_page_has_a_card_for_each_loss(looks: int, report_data: ReportData, tmp_path: Path) -> None:
    run = Pulls(
        list(range(1, 101 * looks, 100))[:looks],
        {A: [0.83] * looks, "<b>": [0.17] * looks},
        {(A, "<b>"): [0.4] * looks},
    )
    write_report(tmp_path / "page.html", with_pulls(report_data, run))
    page = Page(tmp_path / "page.html")
    assert "l1 pulls 83 %, <b> 17 %; they pull in the same direction (cosine 0.40)." in page.text
    assert {"href": "#pulls"} in page.find_all("a")
    paths = [path for path in page.find_all("path") if path.get("class") in ("area", "cosine")]
    assert len(paths) == (3 if looks > 1 else 0)


# --- where -----------------------------------------------------------------------------------------------------


def with_maps(data: ReportData, maps: PullMaps) -> ReportData:
    comparisons = [replace(comparison, pulls={LOSSES[0]: maps}) for comparison in data.comparisons]
    return replace(data, comparisons=comparisons)


def test_maps_are_shown_beside_the_part_of_the_picture(report_data: ReportData, tmp_path: Path) -> None:
    strength = np.linspace(0, 3, 40 * 40, dtype=np.float32).reshape(40, 40)
    data = with_maps(report_data, PullMaps(8, 4, {A: strength, B: strength[::-1]}, {A: 0.6, B: 0.4}))
    write_report(tmp_path / "page.html", data)
    page = Page(tmp_path / "page.html")
    name = data.comparisons[0].image
    maps = [image for image in page.find_all("img") if "pulls" in image["alt"] and name in image["alt"]]
    assert [image["alt"] for image in maps] == [
        f"{name}, where l1 pulls: 60 %",
        f"{name}, where 0.1*ssim pulls: 40 %",
    ]
    assert {(image["width"], image["height"]) for image in maps} == {("40", "40")}
    assert "5+" in page.text  # 199 of 200 pixels are below 3, and the next round number is 5


def test_strength_is_black_to_bright_and_pixels_that_do_not_count_have_their_color() -> None:
    colors = colored(np.array([[0, 1, 2, 5, np.nan]], dtype=np.float32), 2.0)[0]
    assert colors[0].tolist() == list(RAMP[0])
    assert colors[2].tolist() == colors[3].tolist() == list(RAMP[-1])
    assert colors[4].tolist() == list(INVALID)
    brightness = colored(np.linspace(0, 2, 50, dtype=np.float32)[None], 2.0)[0].sum(-1, dtype=int)
    assert (np.diff(brightness) >= 0).all()


def test_maps_that_would_make_the_page_heavy_are_left_out(
    tournament: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = np.random.default_rng(0).random((64, 64), dtype=np.float32)
    data = with_maps(tournament(), PullMaps(0, 0, {A: noise, B: noise}, {A: 0.5, B: 0.5}))
    methods = methods_of(data)
    assert len(all_pull_pictures(data.comparisons, methods)) == 2
    monkeypatch.setattr("lossmith.report.pull_pictures.CHARACTERS", 1000)
    assert len(all_pull_pictures(data.comparisons, methods)) == 1
