"""`judge`: known differences come out, a tournament's own images get its verdict, and nothing is scored twice."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import lossmith
from lossmith.cli import run
from lossmith.commands.judge import scoring
from lossmith.commands.judge.contenders import align_seeds, find_contenders
from lossmith.data import find_images, make_test_pairs, read_image, to_uint8_hwc, write_image
from lossmith.degradations import degradation, from_8bit
from lossmith.evaluation import DEGRADED, Restored, Row, advise, read_csv, score
from lossmith.metrics.deep import has_weights

IMAGES = 6
HEIGHT, WIDTH = 40, 48


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six images whose values leave room for errors of 50 levels in both directions."""
    folder = tmp_path_factory.mktemp("judge") / "targets"
    for index in range(IMAGES):
        rows, columns = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
        waves = torch.stack([torch.sin((rows * (index + channel + 1) + columns * 3) / 9) for channel in range(3)])
        write_image(folder / f"{index}.png", 0.5 + 0.25 * waves)
    return folder


Levels = Sequence[float]
MakeResults = Callable[..., Path]


@pytest.fixture
def make_results(targets: Path, tmp_path: Path) -> MakeResults:
    """`make_results(name, levels, seed)` writes each target with noise of a standard deviation in 8-bit levels."""

    def write(name: str, levels: float | Levels, seed: int = 0, sign: int = 1) -> Path:
        rng = np.random.default_rng(seed)
        for index in range(IMAGES):
            level = levels if isinstance(levels, int | float) else levels[index]
            noise = sign * np.clip(np.rint(rng.normal(0, level, (HEIGHT, WIDTH, 3))), -50, 50)
            pixels = to_uint8_hwc(read_image(targets / f"{index}.png")) + noise
            image = torch.from_numpy(pixels.astype(np.uint8)).permute(2, 0, 1)
            write_image(tmp_path / name / f"{index}.png", from_8bit(image))
        return tmp_path / name

    return write


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "judged"


def fidelity(judgment: lossmith.Judgment) -> lossmith.evaluation.GoalAdvice:
    advice = judgment.advice.of("fidelity")
    assert advice is not None
    return advice


def test_of_two_models_the_better_one_is_named(make_results: MakeResults, targets: Path, out: Path) -> None:
    old, new = make_results("old", 12, seed=1), make_results("new", 6, seed=2)
    judgment = lossmith.judge([old, new], test=targets, out=out)
    advice = fidelity(judgment)
    assert (advice.best, advice.take, advice.avoid) == ("new", "new", ("old",))
    assert judgment.advice.fixed_models
    [difference] = [d for d in judgment.differences if d.metric == "psnr"]
    # errors half as large are 20 log10(2) = 6.02 dB less; both are rounded, which adds 1 / 12 to their variances
    assert difference.seen_from("new").mean == pytest.approx(6.02, abs=0.15)
    assert ">one seed<" not in judgment.report.read_text()  # a badge would say so where seeds are in question
    assert "new" in judgment.verdict


def test_two_models_with_errors_of_opposite_signs_are_equivalent(
    make_results: MakeResults, targets: Path, out: Path
) -> None:
    plus, minus = make_results("plus", 8, seed=1), make_results("minus", 8, seed=1, sign=-1)
    advice = fidelity(lossmith.judge([plus, minus], test=targets, out=out))
    assert advice.decided
    assert {advice.best, *advice.equivalent} == {"plus", "minus"}
    assert not advice.avoid


def test_models_that_are_better_on_different_pictures_are_undecided(
    make_results: MakeResults, targets: Path, out: Path
) -> None:
    one = make_results("one", [4, 12] * (IMAGES // 2), seed=1)
    other = make_results("other", [12, 4] * (IMAGES // 2), seed=2)
    advice = fidelity(lossmith.judge([one, other], test=targets, out=out))
    assert advice.take is None
    assert len(advice.undecided) == 1
    assert advice.plans[advice.undecided[0]].seeds is None  # of a finished model there are no others


def test_what_differs_by_less_than_the_margins_is_equivalent(
    make_results: MakeResults, targets: Path, out: Path
) -> None:
    folders = [make_results("old", 9, seed=1), make_results("new", 8, seed=2)]
    assert fidelity(lossmith.judge(folders, test=targets, out=out)).avoid == ("old",)
    margins = {"psnr": 5.0, "l1": 50.0, "l2": 50.0}
    assert fidelity(lossmith.judge(folders, test=targets, margins=margins, out=out)).equivalent == ("old",)


def test_with_one_seed_a_way_to_train_is_not_in_question_but_with_two_it_is(
    make_results: MakeResults, targets: Path, out: Path
) -> None:
    for seed in range(2):
        make_results(f"old/seed-{seed}", 12, seed=seed)
        make_results(f"new/seed-{seed}", 6, seed=10 + seed)
    judgment = lossmith.judge([out.parent / "old", out.parent / "new"], test=targets, out=out)
    assert not judgment.advice.fixed_models
    assert judgment.advice.seeds == 2
    assert fidelity(judgment).take == "new"


def test_the_images_of_a_tournament_get_its_verdict(photos: Path, targets: Path, tmp_path: Path) -> None:
    recipe = lossmith.Recipe(degradation="jpeg(10)", network="fcn", steps=2, batch=2, patch=32)
    losses = ["l1", "l2"]
    tournament = lossmith.compare(
        lossmith.Data([photos], test=[targets]), losses=losses, seeds=2, recipe=recipe, out=tmp_path / "runs"
    )
    for pair in make_test_pairs(find_images(targets), degradation("jpeg(10)")):
        write_image(tmp_path / "jpeg" / f"{pair.name}.png", pair.degraded)
    judgment = lossmith.judge(
        [tmp_path / "runs" / "runs" / loss for loss in losses],
        test=targets,
        degraded=tmp_path / "jpeg",
        out=tmp_path / "judged",
    )
    metrics = tournament.rows[0].scores.keys()
    scores = [
        {(row.image, row.method, row.seed, name): repr(row.scores[name]) for row in rows for name in metrics}
        for rows in (judgment.rows, tournament.rows)
    ]
    assert scores[0] == scores[1]
    assert [ranking for ranking in judgment.rankings if ranking.metric.name in metrics] == tournament.rankings
    assert [pair for pair in judgment.differences if pair.metric in metrics] == tournament.differences
    outcomes = [
        [(goal.metrics.goal, goal.best, goal.take, goal.equivalent, goal.undecided, goal.avoid) for goal in goals]
        for goals in (judgment.advice.goals, advise(tournament.rows, losses).goals)
    ]
    assert outcomes[0] == outcomes[1]


def test_it_writes_what_it_returns(make_results: MakeResults, targets: Path, out: Path) -> None:
    folders = [make_results("old", 12), make_results("new", 6)]
    judgment = lossmith.judge(folders, test=targets, out=out)
    table = read_csv(out / "results.csv")
    assert list(map(str, table)) == list(map(str, judgment.rows))
    assert {(row.method, row.seed) for row in table} == {("old", 0), ("new", 0)}
    expected = score(*(from_8bit(read_image(f / "3.png")) for f in (folders[1], targets)), judgment.protocol)
    [row] = [row for row in table if row.method == "new" and row.image == "3"]
    assert {name: row.scores[name] for name in ("psnr", "ssim")} == {n: expected[n] for n in ("psnr", "ssim")}
    results = json.loads((out / "results.json").read_text())
    assert results["verdict"] == judgment.verdict
    assert len(judgment.to_dataframe()) == len(table)
    assert {path.name for path in out.iterdir()} == {"report.html", "results.csv", "results.json", "scores.csv"}


def scored_images(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The list to which every image that is scored from now on is added."""
    scored: list[str] = []
    original = scoring.score_images

    def recording(items: list[Restored], *arguments: Any, **options: Any) -> list[Row]:
        scored.extend(f"{item.method}/{item.image}" for item in items)
        return original(items, *arguments, **options)

    monkeypatch.setattr(scoring, "score_images", recording)
    return scored


def test_one_more_folder_is_all_that_is_scored(
    make_results: MakeResults, targets: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [make_results(name, level) for name, level in (("a", 12), ("b", 9), ("c", 6))]
    scored = scored_images(monkeypatch)
    first = lossmith.judge(folders[:2], test=targets, out=out)
    assert len(scored) == 2 * IMAGES
    both = lossmith.judge(folders, test=targets, out=out)
    assert len(scored) == 3 * IMAGES
    assert [str(row) for row in both.rows if row.method != "c"] == list(map(str, first.rows))
    assert str(lossmith.judge(folders, test=targets, out=out).rows) == str(both.rows)
    assert len(scored) == 3 * IMAGES


def test_what_changed_is_scored_again(
    make_results: MakeResults, targets: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [make_results("a", 12), make_results("b", 9)]
    lossmith.judge(folders, test=targets, out=out)
    shutil.copy(targets / "2.png", folders[0] / "2.png")
    scored = scored_images(monkeypatch)
    judgment = lossmith.judge(folders, test=targets, out=out)
    assert scored == ["a/2"]
    [psnr] = [row.scores["psnr"] for row in judgment.rows if (row.method, row.image) == ("a", "2")]
    assert psnr == 100  # of an image to itself
    lossmith.judge(folders, test=targets, border=2, out=out)
    assert len(scored) == 1 + 2 * IMAGES


def test_a_stopped_judgment_goes_on(
    make_results: MakeResults, targets: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [make_results("a", 12), make_results("b", 9)]
    (folders[1] / "5.png").write_bytes((folders[1] / "5.png").read_bytes()[:-200])
    with pytest.raises(lossmith.LossmithError, match=r"5\.png"):
        lossmith.judge(folders, test=targets, out=out)
    assert [path.name for path in out.iterdir()] == ["scores.csv"]
    make_results("b", 9)
    scored = scored_images(monkeypatch)
    lossmith.judge(folders, test=targets, out=out)
    assert len(scored) == IMAGES


def test_the_degraded_input_is_scored_enlarged(make_results: MakeResults, targets: Path, out: Path) -> None:
    folders = [make_results("old", 12), make_results("new", 6)]
    pairs = make_test_pairs(find_images(targets), degradation("bicubic(2)"))
    for pair in pairs:
        write_image(out.parent / "lr" / f"{pair.name}x2.png", pair.degraded)
    judgment = lossmith.judge(folders, test=targets, degraded=out.parent / "lr", out=out)
    assert (judgment.protocol.color, judgment.protocol.border) == ("y", 2)
    expected = score(lossmith.evaluation.baseline(pairs[1]), pairs[1].clean, judgment.protocol)
    [row] = [row for row in judgment.rows if row.method == DEGRADED and row.image == "1"]
    assert row.scores["psnr"] == expected["psnr"]
    assert DEGRADED in judgment.rankings[0].order


def test_images_that_one_lacks_are_left_out_for_all(make_results: MakeResults, targets: Path, out: Path) -> None:
    folders = [make_results("old", 12), make_results("new", 6)]
    (folders[0] / "1.png").unlink()
    (folders[0] / "4.png").unlink()
    judgment = lossmith.judge(folders, test=targets, out=out)
    assert {row.image for row in judgment.rows} == {"0", "2", "3", "5"}
    assert "Left out for all, because old lacks them: '1.png' and 1 more" in judgment.notes


def test_all_are_cropped_to_the_size_that_they_have_in_common(
    make_results: MakeResults, targets: Path, out: Path
) -> None:
    """A network that enlarges by 3 makes 39 rows of an image of 13, whose target has 40."""
    folders = [make_results("old", 6), make_results("new", 6)]
    for path in folders[0].iterdir():
        write_image(path, from_8bit(read_image(path))[:, :39])
    judgment = lossmith.judge(folders, test=targets, out=out)
    by_method = [[row.scores for row in judgment.rows if row.method == name] for name in ("old", "new")]
    assert list(map(str, by_method[0])) == list(map(str, by_method[1]))


@pytest.mark.skipif(not has_weights("efficientnet_lite0"), reason="needs the weights of EfficientNet-Lite0")
def test_metrics_that_share_a_network_with_a_method_do_not_judge_it(
    make_results: MakeResults, targets: Path, out: Path
) -> None:
    folders = [make_results("old", 12), make_results("new", 6)]
    options: dict[str, Any] = {"test": targets, "out": out}
    unaware = lossmith.judge(folders, **options)
    assert unaware.notes[-1].startswith("It is not known what old and new were trained on")
    loss = "l1 + 0.1*features(timm/efficientnet_lite0, blocks.2)"
    told = lossmith.judge(folders, trained_on=[f"new={loss}"], **options)
    assert f"Trained, as was said: new on {loss}" in told.notes
    in_question = unaware.advice.of("perception")
    assert in_question is not None
    assert in_question.metrics.lead.name == "efficientnet_lite0"
    assert told.advice.of("perception") is None  # of the other judge, NIQE, the images are too small


def test_folders_within_a_folder_are_seeds(make_results: MakeResults, tmp_path: Path) -> None:
    for name in ("l1/seed-10", "l1/seed-2", "l2_a", "l2_b", "run/images"):
        make_results(name, 5)
    (tmp_path / "l1" / "logs").mkdir()
    l1, l2, run_folder = find_contenders([tmp_path / "l1", f"l2={tmp_path}/l2_*", tmp_path / "run"])
    assert l1.results == {0: tmp_path / "l1/seed-2", 1: tmp_path / "l1/seed-10"}
    assert (l2.name, l2.results) == ("l2", {0: tmp_path / "l2_a", 1: tmp_path / "l2_b"})
    assert run_folder.results == {0: tmp_path / "run/images"}
    assert find_contenders({"l2": [tmp_path / "l2_a", tmp_path / "l2_b"], "l1": tmp_path / "l1"})[0] == l2


def test_a_name_and_a_folder_may_hold_equals_signs(make_results: MakeResults, tmp_path: Path) -> None:
    folder, other = make_results("lr=1e-3", 5), make_results("other", 5)
    loss = "l1 + 0.1*features(vgg19, relu2_2, reduction=sum)"
    assert [c.name for c in find_contenders([f"{loss}={folder}", folder, other])] == [loss, "lr=1e-3", "other"]


def test_seeds_belong_together_by_their_names_or_else_by_their_order() -> None:
    assert align_seeds([["0", "1", "2"], ["0", "2"]]) == [[0, 1, 2], [0, 2]]
    assert align_seeds([["a1", "a2"], ["b5", "b7", "b9"]]) == [[0, 1], [0, 1, 2]]


def test_seeds_that_one_lacks_are_left_out(make_results: MakeResults, targets: Path, out: Path) -> None:
    for index, name in enumerate(("old/seed-0", "old/seed-1", "old/seed-2", "new/seed-1", "new/seed-2")):
        make_results(name, 12 if name.startswith("old") else 6, seed=index)
    judgment = lossmith.judge([out.parent / "old", out.parent / "new"], test=targets, out=out)
    assert {(row.method, row.seed) for row in judgment.rows} == {(m, s) for m in ("old", "new") for s in (1, 2)}
    assert "old: 1 seed left out, which not all others have" in judgment.notes


def refusal(*results: Path | str, **options: Any) -> str:
    with pytest.raises(lossmith.LossmithError) as error:
        lossmith.judge(list(results), **options)
    return str(error.value)


def test_what_cannot_be_judged_is_refused_in_a_sentence(
    make_results: MakeResults, targets: Path, out: Path, tmp_path: Path
) -> None:
    a, b = make_results("a", 5), make_results("b", 6)
    (tmp_path / "empty" / "nothing").mkdir(parents=True)
    options = {"test": targets, "out": out}
    assert refusal(a, **options) == "judge compares at least two folders of results; name another one beside 'a'"
    assert refusal(**options) == "judge compares at least two folders of results; name another one"
    assert refusal(a, tmp_path / "empty", **options) == (
        f"folder '{tmp_path / 'empty'}' holds no images, and neither does any folder in it"
    )
    assert refusal(a, tmp_path / "none", **options) == f"'{tmp_path / 'none'}' does not exist"
    assert refusal(a, f"x={tmp_path}/none*", **options) == f"nothing matches '{tmp_path}/none*'"
    assert refusal(a, b / "1.png", **options) == f"'{b / '1.png'}' is a file, not a folder of results"
    assert refusal(a, make_results("old/a", 5), **options).startswith(
        "two folders are called 'a'; name them, as in"
    )
    assert "is the name of the degraded input" in refusal(a, f"degraded={b}", **options)
    assert refusal(a, b, margins=["psrn=1"], **options) == "metric 'psrn' is not known; did you mean 'psnr'?"
    assert refusal(a, b, trained_on=["c=l1"], **options).startswith("method 'c' is not known")
    assert refusal(a, b, trained_on=["l1"], **options).startswith("`trained_on` takes NAME=LOSS, such as a=")
    assert refusal(a, b, trained_on=["a=l1", "a=l2"], **options).startswith("`trained_on` of a is given twice")
    assert refusal(a, b, trained_on={"a": "l1 +"}, **options).startswith("`trained_on` of a: ")
    assert refusal(a, b, border=20, **options) == "cropping 20 px from each side leaves nothing of '0' and 5 more"
    assert refusal(a, b, test=targets, out=a / "judged").endswith(
        f"lies in '{a}', which is judged; choose another `out`"
    )
    for name in ("0.png", "1.png", "2.png"):
        (a / name).unlink()
    for name in ("3.png", "4.png", "5.png"):
        (b / name).unlink()
    assert (
        refusal(a, b, **options) == "no image is in all of a, b; is each a folder of results of the same images?"
    )
    write_image(a / "3.png", torch.zeros(3, 8, 8))
    assert refusal(a, make_results("c", 5), **options) == (
        f"'{a / '3.png'}' has 8x8 pixels, and its target '{targets / '3.png'}' 40x48; results are judged at "
        "the size of their targets"
    )
    assert not out.exists()


def test_the_report_of_a_tournament_is_not_overwritten(
    make_results: MakeResults, targets: Path, out: Path
) -> None:
    folders = [make_results("a", 5), make_results("b", 6)]
    out.mkdir()
    (out / "results.json").write_text("{}")
    sentence = f"'{out / 'results.json'}' exists and is not of judge; choose another `out`"
    assert refusal(*folders, test=targets, out=out) == sentence
    (out / "scores.csv").write_text("image,method,seed,protocol,psnr\n")
    assert refusal(*folders, test=targets, out=out) == sentence.replace("results.json", "scores.csv")


def test_on_the_command_line(
    make_results: MakeResults, targets: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = make_results("a", 12, seed=1), make_results("b", 6, seed=2)
    words = ["judge", f"old={old}", f"new={new}", "--test", str(targets), "--out", str(out)]
    assert run([*words, "--trained-on", "new=mix", "--margin", "psnr=0.05", "ssim=0.01"]) == 0
    printed = capsys.readouterr()
    assert "new" in printed.out.splitlines()[0]
    assert printed.out.splitlines()[-1] == f"report: {out / 'report.html'}"
    command = json.loads((out / "results.json").read_text())["command"]
    assert run(command.split()[1:]) == 0  # what the page shows can be typed again
    assert capsys.readouterr().out == printed.out
    assert run(["judge", str(old), "--test", str(targets), "--out", str(out)]) == 2
    assert capsys.readouterr().err.startswith("lossmith: judge compares at least two folders of results")
