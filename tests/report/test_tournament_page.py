"""The page is one complete file, whatever it is given."""

import base64
import io
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from lossmith.core.errors import LossmithError
from lossmith.evaluation import cards, front_sentence
from lossmith.report import ImageComparison, LossResult, Pixels, ReportData, write_report
from lossmith.report.crops import find_crops
from lossmith.report.formatting import MINUS
from lossmith.report.methods import methods_of
from lossmith.report.opening import opening_of
from lossmith.report.pages.tournament import run_seconds

from .conftest import LOSSES, Builder, imitation, jpeg

EIGHT = [*LOSSES, "l1 + 0.006*features(vgg19, conv5_4)", "charbonnier", "mdf(my-loss.safetensors)"]


class Page(HTMLParser):
    """All tags and all text of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.source = path.read_text("utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def find_all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def pictures(self) -> list[dict[str, str]]:
        """The images that are not details of others."""
        return [image for image in self.find_all("img") if not re.search("close-up|whole target", image["alt"])]


def pixels_of(image: dict[str, str]) -> Pixels:
    """What an image on the page shows, bit for bit."""
    embedded = Image.open(io.BytesIO(base64.b64decode(image["src"].split(",")[1])))
    return np.asarray(embedded.convert("RGB"))


def write_page(contents: ReportData, folder: Path) -> Page:
    path = folder / "report.html"
    write_report(path, contents)
    return Page(path)


def check_complete(page: Page) -> None:
    """Nothing is loaded, nothing runs but our scripts, and every reference is met."""
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        for name in ("src", "href", "srcset", "poster", "action", "data", "xlink:href"):
            value = attributes.get(name, "#main")
            assert value.startswith(("#", "data:image/")), (tag, name, value)
            if value.startswith("#"):
                assert value[1:] in ids
        for name in ("aria-labelledby", "for"):
            assert attributes.get(name, "main") in ids
    assert not re.search(r"url\((?!#|\"?data:)|@import", page.source)
    assert len(page.find_all("script")) == 3
    [policy] = [meta["content"] for meta in page.find_all("meta") if "http-equiv" in meta]
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "NaN" not in page.source.split('id="data">')[1].split("</script>")[0]


def test_the_page_shows_every_result_and_is_self_contained(report_data: ReportData, tmp_path: Path) -> None:
    page = write_page(report_data, tmp_path)
    check_complete(page)
    for words in (
        report_data.degradation,
        report_data.network,
        report_data.budget,
        report_data.protocol,
        report_data.command,
        *LOSSES,
    ):
        assert words in page.text
    for label, value in report_data.environment.items():
        assert label in page.text
        assert value in page.text
    headings = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(headings))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html"]


def test_a_card_for_each_goal_comes_first_with_what_it_rests_on(tournament: Builder, tmp_path: Path) -> None:
    squeezed = "l1 + 0.005*lpips(squeeze)"
    contents = tournament(losses=["l1", "l2", squeezed], with_images=False)
    page = write_page(contents, tmp_path)
    check_complete(page)
    top = page.text[page.text.index("Which loss is best for jpeg(10)?", 200) : page.text.index("Results")]
    places = [top.index(goal) for goal in ("Fidelity", "Structure", "Perception")]
    assert places == sorted(places)
    for card in cards(contents.advice, run_seconds(contents)):
        assert card.headline.replace("-", MINUS) in " ".join(top.split()).replace("-", MINUS)
    assert "Judged by EfficientNet-Lite0." in top
    [excluded] = re.findall(r'<span class="excluded">.*?</p>', page.source, re.DOTALL)
    assert excluded.startswith('<span class="excluded"><s>LPIPS (SqueezeNet)</s> may not judge')
    assert front_sentence(contents.advice) in " ".join(top.split())


def test_a_race_and_its_learning_rates_have_sections(race_data: ReportData, tmp_path: Path) -> None:
    page = write_page(replace(race_data, curve_notes=["PSNR still rises under mix"]), tmp_path)
    check_complete(page)
    assert race_data.race[-1].ending in page.text
    assert page.source.count('<span class="run m') == sum(race_data.race[-1].seeds.values())
    assert "diverged" in page.text
    assert page.text.index("Training", page.text.index("Learning rates")) < page.text.index(
        "still rises under mix."
    )
    ids = {attributes.get("id") for _, attributes in page.tags}
    assert {"race", "rates", "curves", "plane", "costs"} <= ids


def test_results_that_others_made_have_no_training(report_data: ReportData, tmp_path: Path) -> None:
    results = [LossResult(result.loss, [], 0, math.nan, None) for result in report_data.results]
    contents = replace(report_data, results=results, network="", degradation="", budget="", seeds=[])
    page = write_page(contents, tmp_path)
    check_complete(page)
    assert "Which result is best?" in page.text
    ids = {attributes.get("id") for _, attributes in page.tags}
    assert {"results", "differences", "images", "repeat"} <= ids
    assert not {"race", "rates", "curves", "costs"} & ids
    assert not {"Network", "Budget", "Degradation", "Seeds"} & set(re.findall(r"<dt>(.*?)</dt>", page.source))
    for loss in LOSSES:
        assert loss in page.text


def test_each_image_is_embedded_once_and_losslessly(report_data: ReportData, tmp_path: Path) -> None:
    images = write_page(report_data, tmp_path).pictures()
    count = sum(len(comparison.restored) + 2 for comparison in report_data.comparisons)
    assert len(images) == len({image["src"] for image in images}) == count
    first = report_data.comparisons[0]
    assert first.degraded is not None
    for image, pixels in zip(images, [first.degraded, *first.restored.values(), first.target], strict=False):
        assert np.array_equal(pixels_of(image), pixels)


def test_html_in_names_is_escaped(report_data: ReportData, tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script><img src=x onerror='alert(2)'>\"&{{ 7*7 }}"
    labels = {"l1": evil}

    def name(text: str) -> str:
        return labels.get(text, text)

    contents = replace(
        report_data,
        verdict=f"{evil} wins",
        degradation=evil,
        network=evil,
        budget=evil,
        protocol=evil,
        command=evil,
        results=[
            replace(c, loss=name(c.loss), failure=evil if c.loss == "l2" else None) for c in report_data.results
        ],
        rankings=[
            replace(
                s,
                metric=replace(s.metric, label=evil, unit=evil),
                order=tuple(map(name, s.order)),
                means={name(k): v for k, v in s.means.items()},
                intervals={name(k): v for k, v in s.intervals.items()},
                leaders=tuple(map(name, s.leaders)),
            )
            for s in report_data.rankings
        ],
        differences=[replace(d, first=name(d.first), second=name(d.second)) for d in report_data.differences],
        rows=[replace(row, method=name(row.method), image=evil) for row in report_data.rows],
        comparisons=[
            replace(e, image=evil, restored={name(k): v for k, v in e.restored.items()})
            for e in report_data.comparisons
        ],
        environment={evil: evil + "\udcff"},
    )
    page = write_page(contents, tmp_path)
    check_complete(page)
    assert "<script>alert" not in page.source
    assert page.text.count(evil) > 20
    assert len(page.pictures()) == sum(len(comparison.restored) + 2 for comparison in contents.comparisons)


@pytest.mark.parametrize("losses", [["l1"], EIGHT], ids=["one", "eight"])
@pytest.mark.parametrize("seeds", [(0,), (3, 5, 8)], ids=["one seed", "three seeds"])
def test_pages_of_few_and_of_many_losses_and_seeds(
    tournament: Builder, losses: list[str], seeds: tuple[int, ...], tmp_path: Path
) -> None:
    small = {"cat": data.chelsea()[100:180, 100:220].copy()}
    page = write_page(tournament(losses=losses, seeds=seeds, images=small), tmp_path)
    check_complete(page)
    assert all(loss in page.text for loss in losses)
    assert ("do not include the variation between training runs" in page.text) == (len(seeds) == 1)


def test_a_failed_loss_is_shown_with_the_reason(tournament: Builder, tmp_path: Path) -> None:
    page = write_page(tournament(failing_loss="ssim", metric_names=["psnr"]), tmp_path)
    check_complete(page)
    assert page.text.count("the loss became NaN at step 312.") == 1


def test_a_page_where_all_losses_failed(tournament: Builder, tmp_path: Path) -> None:
    contents = tournament(losses=["l1"], failing_loss="l1", seeds=(0,), metric_names=["psnr"])
    check_complete(write_page(replace(contents, rankings=[], differences=[], rows=[]), tmp_path))


def test_a_page_with_missing_and_infinite_scores(report_data: ReportData, tmp_path: Path) -> None:
    rows = [
        replace(row, scores={**row.scores, "psnr": math.inf if row.method == "l1" else math.nan})
        for row in report_data.rows
    ]
    first = report_data.rankings[0]
    means = {**first.means, "l1": math.inf, "l2": math.nan}
    rankings = [replace(first, means=means, intervals={}), *report_data.rankings[1:]]
    page = write_page(replace(report_data, rows=rows, rankings=rankings), tmp_path)
    check_complete(page)
    assert "∞" in page.text


def test_a_page_without_images_curves_or_costs(report_data: ReportData, tmp_path: Path) -> None:
    bare = [replace(c, curves=[], milliseconds_per_step=math.nan, activation_mb=None) for c in report_data.results]
    page = write_page(replace(report_data, comparisons=[], results=bare), tmp_path)
    check_complete(page)
    assert "No training curves were recorded." in page.text
    assert not {"images", "costs"} & {attributes.get("id") for _, attributes in page.tags}


def test_a_page_of_tiny_and_gray_images(tournament: Builder, tmp_path: Path) -> None:
    images = {
        "tiny": data.astronaut()[40:70, 200:240].copy(),
        "gray": np.repeat(data.camera()[:90, :120, None], 3, axis=2),
        "flat": np.full((48, 64, 3), 128, np.uint8),
    }
    check_complete(write_page(tournament(losses=["l1", "l2"], images=images, metric_names=["psnr"]), tmp_path))


def test_large_images_are_cropped_to_where_losses_differ(report_data: ReportData, tmp_path: Path) -> None:
    gradient = np.tile(np.arange(1500, dtype=np.uint8)[None, :, None], (100, 1, 3))
    other = gradient.copy()
    other[:, 900:964] ^= 64
    comparison = ImageComparison("wide", gradient, gradient, {"l1": gradient, "l2": other})
    page = write_page(replace(report_data, comparisons=[comparison]), tmp_path)
    assert "1024 × 100 pixels of 1500 × 100, where the losses differ most" in page.text
    shown = pixels_of(page.pictures()[0])
    assert shown.shape == (100, 1024, 3)
    assert abs(int(shown[0, 0, 0]) - (900 + 32 - 512) % 256) <= 32  # the spot holds the patch or one of its edges


def test_a_page_has_6_megabytes_at_most_also_of_noise(report_data: ReportData, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    photographs, noise = [], []
    for name in ("astronaut", "chelsea", "coffee", "rocket"):
        target = np.ascontiguousarray(getattr(data, name)()[:400, :512])
        degraded = jpeg(target)
        results = {loss: imitation(target, degraded, i, 0) for i, loss in enumerate(LOSSES)}
        photographs.append(ImageComparison(name, target, degraded, results))
        grain = {loss: rng.integers(0, 256, target.shape, dtype=np.uint8) for loss in LOSSES}
        noise.append(ImageComparison(name, target, degraded, grain))
    for comparisons, shown in ((photographs, 4), (noise, 3)):  # 20 of noise have 4 characters a pixel
        page = write_page(replace(report_data, comparisons=comparisons), tmp_path)
        assert len(page.source) < 6e6
        assert len(page.pictures()) == shown * (len(LOSSES) + 2)


def test_the_page_opens_with_close_ups_of_the_first_image(report_data: ReportData, tmp_path: Path) -> None:
    page = write_page(report_data, tmp_path)
    first = report_data.comparisons[0]
    assert first.degraded is not None
    opening = [image for image in page.find_all("img") if re.search(f"^{first.image}, close-up", image["alt"])]
    [crop] = find_crops(first, longest=72)[:1]
    window = (slice(crop.y, crop.y + crop.side), slice(crop.x, crop.x + crop.side))
    images = [first.degraded, *first.restored.values(), first.target]
    assert [image["width"] for image in opening] == ["288"] * len(images)
    for image, pixels in zip(opening, images, strict=True):
        assert np.array_equal(pixels_of(image), pixels[window])
    errors = [np.abs(i[window].astype(float) - first.target[window]).mean() for i in images[:-1]]
    shown = [float(text) for text in re.findall(r"error here ([\d.]+)", page.text)]
    assert shown == pytest.approx(errors, abs=0.05 + 1e-9)  # one decimal
    [best] = re.findall(r'class="best">error here ([\d.]+)', page.source)
    assert float(best) == min(shown[1:])


def test_the_opening_shows_the_nearest_and_the_furthest_of_many(tournament: Builder, tmp_path: Path) -> None:
    names = [f"{k}*l1" for k in range(1, 13)]
    small = {"cat": data.chelsea()[100:180, 100:220].copy()}
    contents = tournament(losses=names, seeds=(0,), images=small, metric_names=["psnr"])
    opening = opening_of(contents, methods_of(contents))
    assert opening is not None
    assert opening.left_out == 3
    assert len(opening.close_ups) == 9 + 2
    window = (slice(opening.crop.y, None), slice(opening.crop.x, None))
    [only] = contents.comparisons
    side = opening.crop.side
    errors = {
        name: np.abs(image[window].astype(float) - only.target[window])[:side, :side].mean()
        for name, image in only.restored.items()
    }
    ranked = sorted(errors, key=lambda name: errors[name])
    shown = {close_up.method.name for close_up in opening.close_ups if close_up.method.kind == "loss"}
    assert shown == {*ranked[:5], *ranked[-4:]}


def test_a_page_of_unknown_inputs_and_of_nothing_to_see(report_data: ReportData, tmp_path: Path) -> None:
    unknown = [replace(comparison, degraded=None) for comparison in report_data.comparisons]
    page = write_page(replace(report_data, comparisons=unknown), tmp_path)
    check_complete(page)
    assert not [image for image in page.find_all("img") if "degraded" in image["alt"]]
    assert 'id="opening"' not in write_page(replace(report_data, comparisons=[]), tmp_path).source


def test_a_folder_that_cannot_be_written_is_named(report_data: ReportData, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(LossmithError, match="cannot write"):
        write_report(tmp_path / "file" / "report.html", replace(report_data, comparisons=[]))
