"""The page of a study: what it names, marks and escapes, and where its drawings put things."""

import html
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lossmith.report.crops import find_crops
from lossmith.report.data import ImageComparison
from lossmith.report.formatting import typeset
from lossmith.report.heat_map import STRONGEST, Cell, HeatMap, heat_map
from lossmith.report.pages.study import StudyContents, write_study
from lossmith.report.rank_diagram import rank_diagram
from lossmith.report.scatter import Point, scatter
from lossmith.report.study_findings import configurations_of, estimate, fact_views, gain_lines, looks_of
from lossmith.report.study_pictures import PIXELS, choice, picture_set, picture_sets
from lossmith.report.templates import ASSETS
from lossmith.studies.analysis.results import Estimate, RankAnalysis, StudyAnalysis
from lossmith.studies.configuration import Configuration

from .study_example import BASELINE, JUDGE, PSNR, configurations, example
from .test_theme import DARK_COLORS, LIGHT_COLORS, contrast

TWO = ("squeezenet1_1", "vgg19")


def page_of(contents: StudyContents, folder: Path) -> str:
    write_study(folder / "study.html", contents)
    return (folder / "study.html").read_text("utf-8")


def text_of(page: str) -> str:
    """What is read; words that markup splits stay whole."""
    text = re.sub(r"<(script|style)[\s\S]*?</\1>|</?span[^>]*>", "", page)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split())


def images(names: list[str], side: int = 40) -> dict[str, np.ndarray]:
    """Noise, different for every name."""
    return {
        name: np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
        for seed, name in enumerate(names)
    }


@pytest.fixture(scope="module")
def contents() -> StudyContents:
    names = ["original", "input", "baseline", *(c.name for c in configurations(TWO))]
    return example(TWO, pictures={"sr": {"butterfly": images(names)}})


@pytest.fixture(scope="module")
def page(contents: StudyContents, tmp_path_factory: pytest.TempPathFactory) -> str:
    return page_of(contents, tmp_path_factory.mktemp("study"))


def heat(contents: StudyContents, benchmark: int = 0) -> HeatMap:
    analysis = contents.analysis.benchmarks[benchmark]
    return heat_map(analysis, analysis.metrics[0])


def cells(found: HeatMap) -> list[Cell]:
    return [cell for line in found.lines for cell in line.cells if cell is not None]


def test_every_configuration_has_a_cell_with_its_score_and_interval(contents: StudyContents, page: str) -> None:
    for benchmark in contents.analysis.benchmarks:
        metric = benchmark.metrics[0]
        for score in benchmark.scores:
            assert f'title="{score.name}: ' in page
            if score.scores and score.name != BASELINE.name:
                own = score.scores[metric.name]
                text, low, high = (f"{value:.{metric.digits}f}" for value in (own.value, own.low, own.high))
                assert f'title="{score.name}: {text} {metric.unit}'.rstrip() + f" ({low}–{high})" in page


def test_recommendations_failures_missing_weights_and_files_are_shown(contents: StudyContents, page: str) -> None:
    for benchmark in contents.analysis.benchmarks:
        assert benchmark.title in page
        assert typeset(benchmark.recommendation) in text_of(page)
    assert "The loss is nan at step 3 of 100." in page
    assert "put alexnet-owt-7be5be79.pth into" in page
    assert '<a href="results.csv">' in page
    assert '<a href="results.json">' in page
    assert contents.command in page


def test_the_page_loads_nothing_and_says_no_nan(page: str) -> None:
    assert not re.search(r"""(?:src|href)=["'](?!data:|#|results\.)""", page)
    assert not re.search(r"url\(|@import|https?://", page)
    assert not re.search(r"\b(nan|inf|None)\b", text_of(page).replace("The loss is nan", ""), re.IGNORECASE)


def test_names_are_escaped(tmp_path: Path) -> None:
    hostile = 'x"><script>alert(1)</script>'
    known = example(TWO, (False,))
    benchmark = known.analysis.benchmarks[0]
    score = replace(benchmark.scores[0], configuration=Configuration("vgg19", hostile))
    row = replace(benchmark.heat_map[1], layers=(hostile,), cells=(score.name,))
    benchmark = replace(
        benchmark,
        title=hostile,
        baseline=hostile,
        recommendation=f"Use {score.name} or {hostile}.",
        scores=(score,),
        heat_map=(row,),
        random_comparisons=(),
        conventions=(),
    )
    analysis = replace(known.analysis, benchmarks=(benchmark,), conventions=(), summary=(hostile,), facts={})
    contents = replace(
        known,
        analysis=analysis,
        scale=hostile,
        data={benchmark.name: hostile},
        command=hostile,
        environment={hostile: hostile},
        notes=(hostile,),
        missing_weights={hostile: hostile},
        files={hostile: hostile},
        pictures={benchmark.name: {hostile: images([hostile, score.name])}},
        picture_notes={benchmark.name: hostile},
    )
    assert "<script>alert" not in page_of(contents, tmp_path)


def test_random_weights_are_marked_everywhere(contents: StudyContents, page: str, tmp_path: Path) -> None:
    assert "random weights only" not in page
    assert all(
        line.random for title, lines in heat(contents).groups if title == "Random weights" for line in lines
    )
    only_random = page_of(example(TWO, (True,)), tmp_path)
    headings = re.findall(r"<h[12][^>]*>(.*?)</h[12]>", only_random)
    with_mark = [heading for heading in headings if "random weights only" in heading]
    assert len(headings) - len(with_mark) == 1  # "Repeat it"
    assert "(random weights only)" in only_random[: only_random.index("</title>")]


def test_colors_differ_by_the_side_of_the_baseline(contents: StudyContents) -> None:
    benchmark = contents.analysis.benchmarks[0]
    for metric in (PSNR, JUDGE):
        found = cells(heat_map(benchmark, metric))
        for cell in found:
            gain = benchmark.score(cell.name).gains[metric.name]
            assert cell.side == ("better" if gain.value > 0 else "worse")
            assert cell.sure == (gain.low > 0 or gain.high < 0)
        assert {cell.side for cell in found} == {"better", "worse"}
        assert max(cell.share for cell in found) == STRONGEST
        order = sorted(found, key=lambda cell: abs(benchmark.score(cell.name).gains[metric.name].value))
        assert [cell.share for cell in order] == sorted(cell.share for cell in found)


def test_the_best_and_what_ties_with_it_are_marked_in_the_metric_that_decides(contents: StudyContents) -> None:
    benchmark = contents.analysis.benchmarks[0]
    found = heat(contents)
    assert found.baseline is not None
    marks = {cell.name: cell.mark for cell in [found.baseline, *cells(found)] if cell.mark}
    best, *tied = [score.name for score in benchmark.scores if score.ties_with_best]
    assert marks == {best: "best", **dict.fromkeys(tied, "tied")}
    lowest = min(benchmark.scores, key=lambda score: score.scores["judge"].value)
    assert {c.name: c.mark for c in cells(heat_map(benchmark, JUDGE)) if c.mark} == {lowest.name: "best"}


def test_a_failed_configuration_has_a_cell_without_a_score(contents: StudyContents) -> None:
    failed = [cell for cell in cells(heat(contents, 2)) if cell.problem]
    assert [(cell.text, cell.side, cell.mark) for cell in failed] == [("", "", "")]


@pytest.mark.parametrize("theme", [LIGHT_COLORS, DARK_COLORS], ids=["light", "dark"])
def test_text_is_legible_on_the_deepest_colors(theme: dict[str, str]) -> None:
    css = (ASSETS / "styles" / "study.css").read_text("utf-8")
    light, dark = (dict(re.findall(r"--(better|worse): (#\w{6})", part)) for part in css.split("@media", 1))
    own = light if theme is LIGHT_COLORS else dict(re.findall(r"--(better|worse): (#\w{6})", css.split("\n")[2]))
    assert own.keys() == {"better", "worse"}
    assert dark
    for color in own.values():
        mixed = mix(color, theme["card"], STRONGEST / 100)
        assert contrast(theme["ink"], mixed) >= 4.5
        assert contrast(mixed, theme["card"]) >= 1.2


def mix(one: str, other: str, share: float) -> str:
    channels = [(int(one[i : i + 2], 16), int(other[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(share * a + (1 - share) * b):02x}" for a, b in channels)


def test_places_in_the_rank_diagram_follow_the_ranks() -> None:
    ranks = {"d": 4.5, "a": 1.5, "c": 2.5, "b": 2.0, "e": 4.5}
    drawing = rank_diagram(ranks, [("a", "b", "c"), ("c", "d", "e")], critical_difference=2.0)
    leaves = {leaf.name: leaf for leaf in drawing.leaves}
    order = sorted(ranks, key=lambda name: ranks[name])
    assert [leaves[name].x for name in order] == sorted(leaf.x for leaf in drawing.leaves)
    assert leaves["d"].x == leaves["e"].x
    unit = (drawing.end - drawing.start) / (len(ranks) - 1)
    for leaf in drawing.leaves:
        assert leaf.x == pytest.approx(drawing.start + (leaf.rank - 1) * unit, abs=0.06)  # places have one decimal
    assert drawing.critical is not None
    assert drawing.critical.end - drawing.critical.start == pytest.approx(2 * unit, abs=0.06)
    first, second = drawing.bars
    assert first.start <= leaves["a"].x <= leaves["c"].x <= first.end < leaves["d"].x
    assert second.start <= leaves["c"].x <= leaves["e"].x <= second.end
    assert first.y != second.y  # they share c


def test_lines_of_the_rank_diagram_do_not_cross() -> None:
    """A line goes down at x to y, then outward at y: it crosses another one that goes down farther out, deeper."""
    rng = np.random.default_rng(0)
    ranks = {f"n{i}": float(rank) for i, rank in enumerate(rng.uniform(1, 23, 23))}
    drawing = rank_diagram(ranks, [])
    assert drawing.critical is None
    for left in (True, False):
        side = sorted(
            (leaf for leaf in drawing.leaves if leaf.left is left), key=lambda leaf: leaf.x, reverse=not left
        )
        assert [leaf.y for leaf in side] == sorted(leaf.y for leaf in side)
        assert len({leaf.y for leaf in side}) == len(side)
    assert max(leaf.y for leaf in drawing.leaves) < drawing.height


def point(x: float, y: float) -> Point:
    return Point(x, y, "a", "a", "m0", "circle")


@pytest.mark.parametrize("higher", [True, False])
@pytest.mark.parametrize("logarithmic", [True, False])
def test_better_is_up_and_more_is_right_within_the_frame(higher: bool, logarithmic: bool) -> None:
    drawing = scatter([point(1.0, 3.0), point(10.0, 5.0), point(100.0, 4.0)], higher, logarithmic)
    assert drawing is not None
    (x0, y0, _), (x1, y1, _), (x2, y2, _) = drawing.marks
    left, top, right, bottom = drawing.frame
    assert left < x0 < x1 < x2 < right
    assert (y1 < y2 < y0) is higher  # the y axis of an SVG goes down
    assert all(top < y < bottom for y in (y0, y1, y2))
    if logarithmic:
        assert x1 - x0 == pytest.approx(x2 - x1, abs=0.15)  # places have one decimal
    for scale in (drawing.x, drawing.y):
        assert len(scale.ticks) >= 2
        low, high = sorted((scale.start, scale.end))
        assert all(low <= place <= high for place, _ in scale.ticks)


def test_what_is_not_a_number_is_not_drawn() -> None:
    points = [point(1.0, math.nan), point(math.nan, 1.0), point(0.0, 1.0), point(2.0, 1.0), point(3.0, 2.0)]
    drawing = scatter(points, True, logarithmic=True)
    assert drawing is not None
    assert [mark[2] for mark in drawing.marks] == points[3:]
    assert scatter(points[:2], True) is None
    assert scatter([point(1.0, 1.0), point(1.0, 1.0)], True) is not None


def test_conventions_come_first_with_plots_over_all_and_of_each_benchmark(contents: StudyContents) -> None:
    analysis = contents.analysis
    views = fact_views(analysis, looks_of(analysis))
    assert [view.label for view in views[:2]] == [
        "ImageNet top-1 accuracy (%)",
        "Depth of the layer in its network",
    ]
    sources = {"All benchmarks": analysis.conventions} | {b.title: b.conventions for b in analysis.benchmarks}
    for view in views:
        assert [plot.title for plot in view.plots] == [*sources]
        for plot in view.plots:
            of_fact = [c for c in sources[plot.title] if c.label == view.axis]
            known = [c.rho for c in of_fact if not math.isnan(c.rho.value)]
            assert [text for _, text in plot.correlations] == [estimate(rho, 2) for rho in known]
            assert plot.drawing is not None
            assert len(plot.drawing.marks) == max(len(c.points) for c in of_fact)


def test_gains_of_training_lie_on_their_side_of_the_middle(contents: StudyContents) -> None:
    benchmark = contents.analysis.benchmarks[0]
    lines = gain_lines(benchmark)
    for line, comparison in zip(lines, benchmark.random_comparisons, strict=True):
        assert (line.value > 50) == (comparison.gain.value > 0)
        assert 0 <= line.low < line.value < line.high <= 100
    unknown = replace(benchmark.random_comparisons[0], gain=Estimate(0.5))
    [line] = gain_lines(replace(benchmark, random_comparisons=(unknown,)))
    assert (line.low, line.high, line.interval) == (line.value, line.value, "")


def test_pictures_of_all_configurations_show_one_window(contents: StudyContents, page: str) -> None:
    known = configurations_of(contents.analysis.benchmarks[0])
    versions = contents.pictures["sr"]["butterfly"]
    windows = picture_set("butterfly", versions, known, 16)
    assert (windows.width, windows.height, windows.cropped_from) == (16, 16, (40, 40))
    assert windows.columns == 4
    others, *groups = windows.groups
    assert [picture.name for picture in others.pictures] == ["original", "input", "baseline"]
    assert [picture.name for group in groups for picture in group.pictures] == [c.name for c in known]
    assert len({picture.uri for group in windows.groups for picture in group.pictures}) == len(versions)
    assert page.count("<img ") == len(versions)


def test_what_has_no_pictures_is_left_out() -> None:
    known = configurations(TWO)[:1]
    pictures = {"sr": {"empty": {}, "full": images([known[0].name])}, "none": {}, "unknown": {"a": images(["x"])}}
    windows = picture_sets(pictures, {"sr": known, "none": known})
    assert {benchmark: [one.item for one in sets] for benchmark, sets in windows.items()} == {"sr": ["full"]}


def test_an_image_that_is_smaller_than_the_window_is_shown_as_a_whole() -> None:
    known = configurations(TWO)[:2]
    wide = {c.name: np.random.default_rng(i).integers(0, 256, (8, 32, 3), np.uint8) for i, c in enumerate(known)}
    for side, shape in ((64, (8, 32)), (16, (8, 16))):
        windows = picture_set("a", wide, known, side)
        assert (windows.height, windows.width) == shape
        assert (windows.cropped_from is None) == (shape == (8, 32))


def test_pictures_of_a_low_resolution_are_enlarged_by_whole_pixels() -> None:
    known = configurations(TWO)[:1]
    small = np.arange(4, dtype=np.uint8).reshape(2, 2) * 60
    large = np.kron(small, np.ones((4, 4), np.uint8))
    windows = picture_set("a", {"input": small, known[0].name: large}, known, 8)
    [uri, other] = [picture.uri for group in windows.groups for picture in group.pictures]
    assert uri == other


def test_windows_become_smaller_before_a_page_is_too_heavy() -> None:
    def benchmarks(count: int) -> list[list[dict[str, np.ndarray]]]:
        image = {f"{i}": np.zeros((288, 288, 3), np.uint8) for i in range(count)}
        return [[image] * 5] * 2

    choices = [choice(benchmarks(n)) for n in (4, 20, 56, 113)]
    assert choices[0] == (3, 160)
    assert choices == sorted(choices, reverse=True)
    for (items, side), n in zip(choices, (4, 20, 56, 113), strict=True):
        assert 2 * items * n * side**2 <= PIXELS


def test_windows_may_be_larger_than_those_of_a_tournament() -> None:
    flat = np.zeros((100, 100, 3), np.uint8)
    bright = flat.copy()
    bright[60:, 60:] = 255
    comparison = ImageComparison("a", flat, flat, {"a": flat, "b": bright})
    crop = find_crops(comparison, 40)[0]
    assert crop.side == 40
    assert min(crop.x, crop.y) >= 50


def test_a_study_without_results_is_a_page(tmp_path: Path) -> None:
    ranks = RankAnalysis((), (), (), (), None, math.nan, (), "Ranks are not tested.")
    analysis = StudyAnalysis((), ranks, (), {}, (), only_random=False, summary=())
    page = page_of(StudyContents(analysis, "tiny", [0], {}, "lossmith study", {}), tmp_path)
    assert "Ranks are not tested." in page
