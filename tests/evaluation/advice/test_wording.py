"""What a person reads at the end of a tournament, for tournaments whose truth is known."""

import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from lossmith.evaluation import DEGRADED, Advice, Card, Criteria, Metric, Ranking, Row, advise, cards, verdict
from lossmith.evaluation.advice.phrases import duration
from lossmith.evaluation.advice.wording import front_sentence

MARGINS = {"psnr": 0.1, "l1": 0.1, "ms_ssim": 0.002, "gmsd": 0.001, "niqe": 0.1, "lpips_squeeze": 0.01}
"""Not those of the package, so that these tests stay true when they are measured again."""

UNITS = {name: margin / MARGINS["psnr"] for name, margin in MARGINS.items()}
"""How much of a metric matters as much as 1 dB."""

LESS_IS_BETTER = {"l1", "gmsd", "niqe", "lpips_squeeze"}

Gain = float | Mapping[str, float]
"""How good a loss is, in dB of PSNR, or in what matters as much in each metric."""


def tournament(
    losses: Mapping[str, Gain],
    *,
    degraded: Gain | None = -3.0,
    images: int = 8,
    seeds: int = 3,
    by_image: Mapping[str, float] = {},
    by_seed: Mapping[str, float] = {},
    metrics: tuple[str, ...] = ("psnr",),
) -> list[Row]:
    """Scores without chance: a gain, and a part that alternates with the image and one that does with the seed."""

    def row(method: str, gain: Gain, image: int, seed: int) -> Row:
        sway = by_image.get(method, 0) * (-1) ** image + by_seed.get(method, 0) * (-1) ** seed
        scores = {
            name: (20 if name in LESS_IS_BETTER else 10) * UNITS[name]
            + (-1 if name in LESS_IS_BETTER else 1)
            * UNITS[name]
            * ((gain[name] if isinstance(gain, Mapping) else gain) + sway + image / 10)
            for name in metrics
        }
        return Row(f"{image}", method, seed, scores)

    rows = [row(loss, gain, i, s) for loss, gain in losses.items() for s in range(seeds) for i in range(images)]
    if degraded is not None:
        rows += [row(DEGRADED, degraded, image, 0) for image in range(images)]
    return rows


def advice_on(rows: list[Row], costs: Mapping[str, float] | None = None, fixed_models: bool = False) -> Advice:
    losses = [name for name in dict.fromkeys(row.method for row in rows) if name != DEGRADED]
    return advise(rows, losses, Criteria(MARGINS), costs, fixed_models=fixed_models)


def only_card(rows: list[Row], costs: Mapping[str, float] | None = None) -> Card:
    [card] = cards(advice_on(rows, costs))
    return card


# what to take


def test_the_best_is_taken_and_the_others_are_avoided_the_worst_first():
    card = only_card(tournament({"l1": 1.0, "ssim": -0.5, "mix": 0.6}))
    assert card.goal == "fidelity"
    assert card.headline == "For fidelity, take l1."
    assert card.details == (
        "Avoid ssim: 1.50 dB behind l1 (1.50 to 1.50).",
        "Avoid mix: 0.40 dB behind l1 (0.40 to 0.40).",
    )


def test_brackets_hold_the_interval_of_the_difference():
    """Differences of 0.75 dB that alternate by 0.2 dB over 8 pictures: Student's t with 7 degrees of freedom."""
    card = only_card(tournament({"l1": 1.0, "ssim": 0.25}, by_image={"ssim": 0.2}))
    half_width = stats.t.ppf(0.975, 7) * 0.2 * np.sqrt(8 / 7) / np.sqrt(8)
    [sentence] = card.details
    assert sentence == f"Avoid ssim: 0.75 dB behind l1 ({0.75 - half_width:.2f} to {0.75 + half_width:.2f})."


EQUALS = {
    "of unknown cost": ({}, "l1 and mix are equally good; take either"),
    "of like cost": ({"l1": 1.0, "mix": 0.95}, "l1 and mix are equally good; take either"),
    "the best is the cheaper": ({"l1": 1.0, "mix": 3.1}, "l1 and mix are equally good; l1 is the cheaper"),
    "the other is the cheaper": ({"l1": 3.1, "mix": 1.0}, "mix and l1 are equally good; mix is the cheaper"),
}


@pytest.mark.parametrize(("costs", "words"), EQUALS.values(), ids=EQUALS.keys())
def test_of_two_equals_the_notably_cheaper_one_is_taken(costs, words):
    assert only_card(tournament({"l1": 1.02, "mix": 1.0}), costs).headline == f"For fidelity, {words}."


THREE_EQUALS = {
    "of unknown cost": ({}, "l1, mix and l2 are equally good; take any of them"),
    "one is the cheapest": (
        {"l1": 3.0, "mix": 2.0, "l2": 1.0},
        "l2, l1 and mix are equally good; l2 is the cheapest",
    ),
    "two are cheap": ({"l1": 1.0, "mix": 3.0, "l2": 0.95}, "l1, l2 and mix are equally good; take l1"),
}


@pytest.mark.parametrize(("costs", "words"), THREE_EQUALS.values(), ids=THREE_EQUALS.keys())
def test_of_three_equals(costs, words):
    rows = tournament({"l1": 1.03, "mix": 1.02, "l2": 1.0})
    assert only_card(rows, costs).headline == f"For fidelity, {words}."


def test_of_equals_it_is_said_how_close_they_are_and_what_they_cost():
    costs = {"l1": 2.0, "mix": 6.2, "l2": 0.5, "tv": 2.1}
    rows = tournament({"l1": 1.03, "mix": 1.02, "l2": 1.01, "tv": 1.0})
    assert only_card(rows, costs).details == (
        "l2 is as good as l1, 0.02 dB behind (0.02 to 0.02), and trains 4 times as fast.",
        "tv is as good as l1, 0.03 dB behind (0.03 to 0.03).",
        "mix is as good as l1, 0.01 dB behind (0.01 to 0.01), but trains 3.1 times as long.",
    )


def test_the_same_scores_are_called_the_same():
    card = only_card(tournament({"l1": 1.0, "mix": 1.0}))
    assert card.headline == "For fidelity, l1 and mix are equally good; take either."
    assert card.details == ("mix is as good as l1, with the same PSNR.",)


def test_many_losses_do_not_make_many_sentences():
    rows = tournament({f"l{i}": 1.0 - 0.5 * (i >= 6) - 0.001 * i for i in range(12)})
    card = only_card(rows)
    assert card.headline == "For fidelity, l0, l1, l2 and 3 others are equally good; take any of them."
    assert sum(sentence.startswith("Avoid") for sentence in card.details) == 4
    assert "As good, too: l5." in card.details
    assert "Worse than l0, too: l7 and l6." in card.details


def test_where_less_is_better_behind_means_more():
    card = only_card(tournament({"l1": 1.0, "ssim": 0.0}, metrics=("gmsd",)))
    assert card.headline == "For structure, take l1."
    assert card.details == ("Avoid ssim: 0.0100 behind l1 in GMSD (0.0100 to 0.0100).",)


# what is undecided


def test_nothing_decided():
    card = only_card(tournament({"mix": 1.0, "l1": 0.8}, seeds=2, by_seed={"mix": 0.5}, degraded=None))
    assert card.headline == "For fidelity nothing is decided yet: mix leads."
    doubt, _ = card.details
    pattern = r"Whether l1 is as good as mix is undecided: it is 0\.20 dB behind \(-\d+\.\d\d to \d+\.\d\d\), "
    assert re.fullmatch(pattern + r"and its two seeds differ by 1 dB\.", doubt)


def test_the_leader_is_named_where_only_the_third_is_decided():
    rows = tournament({"mix": 1.0, "l1": 0.9, "ssim": -2.0}, by_image={"l1": 0.5})
    card = only_card(rows)
    assert card.headline == "For fidelity, mix leads; whether l1 is as good is not decided yet."
    assert "and the test pictures disagree by 0.76 dB." in card.details[1]


def test_many_may_be_as_good():
    losses = ["mix", "l1", "l2", "tv", "huber"]
    rows = tournament({**dict.fromkeys(losses, 1.0), "ssim": -5.0}, by_image=dict.fromkeys(losses[1:], 0.5))
    by_turns = [replace(row, scores={"psnr": row.scores["psnr"] + 0.4 * (row.method == "mix")}) for row in rows]
    headline = only_card(by_turns).headline
    assert headline == "For fidelity, mix leads; whether l1, l2 and 2 others are as good is not decided yet."


def test_two_pictures_are_called_two_pictures():
    rows = tournament({"mix": 1.0, "l1": 0.8}, images=2, by_image={"l1": 0.1}, degraded=None)
    assert "and the two test pictures disagree by 0.2 dB." in only_card(rows).details[0]


# what would decide it


def test_seeds_decide_with_their_time_or_pictures_do():
    rows = tournament({"mix": 1.0, "l1": 0.6}, seeds=3, by_seed={"l1": 0.15}, by_image={"l1": 0.02})
    advice = advice_on(rows)
    plan = advice.goals[0].plans["l1"]
    assert plan.seeds
    assert plan.images is None
    sentence = cards(advice, {"mix": 100.0, "l1": 80.0})[0].details[-1]
    time = duration(plan.seeds * 180)
    many = "1 more seed" if plan.seeds == 1 else f"{plan.seeds} more seeds"
    assert sentence == f"{many}, {time}, would decide mix against l1 with 80 % probability."
    untimed = cards(advice)[0].details[-1]
    assert untimed == f"{many} would decide mix against l1 with 80 % probability."


def test_losses_that_need_more_or_less_of_the_same_share_a_sentence():
    """The seeds of the best loss serve both its rivals, and every rival trains those that it needs."""
    advice = advice_on(tournament({"mix": 1.0, "l1": 0.6, "l2": 0.2}, seeds=3, by_seed={"l1": 0.2, "l2": 0.3}))
    [goal] = advice.goals
    few, many = sorted([goal.plans["l1"].seeds or 0, goal.plans["l2"].seeds or 0])
    assert 0 < few < many
    *_, sentence = cards(advice, {"mix": 100.0, "l1": 80.0, "l2": 80.0})[0].details
    time = duration(100 * many + 80 * (few + many))
    start = f"{few} to {many} more seeds, {time} in all, would decide mix against l1 and l2 "
    assert sentence.replace("l2 and l1", "l1 and l2") == f"{start}with 80 % probability each."


def test_a_loss_may_lead_in_a_goal_and_be_behind_the_input_in_its_lead_metric():
    gain = {"ms_ssim": -1.0, "gmsd": 1.0}
    rows = tournament({"l1": gain, "l2": -5.0}, degraded=0.0, by_seed={"l1": 2.0}, metrics=("ms_ssim", "gmsd"))
    structure = next(card for card in cards(advice_on(rows)) if card.goal == "structure")
    assert structure.headline.endswith("improve on the degraded input in structure; l1 seems to lead.")
    assert structure.details[0].startswith("By one metric alone, though, l1 is ")
    assert " behind the degraded input in MS-SSIM (" in structure.details[0]


def test_a_goal_may_be_undecided_though_its_lead_metric_is_not():
    gains = {"mix": {"ms_ssim": 0.5, "gmsd": 0.6}, "l1": {"ms_ssim": 0.0, "gmsd": 0.0}}
    rows = tournament(gains, metrics=("ms_ssim", "gmsd"), images=4)
    shaky = [
        replace(row, scores={**row.scores, "gmsd": row.scores["gmsd"] + 0.02 * (-1) ** int(row.image)})
        if row.method == "l1"
        else row
        for row in rows
    ]
    assert only_card(shaky).details[0] == (
        "Whether l1 is as good as mix is undecided, though by one metric alone it is worse: "
        "0.0100 behind in MS-SSIM (0.0100 to 0.0100)."
    )


def test_where_pictures_disagree_pictures_decide_and_seeds_do_not():
    advice = advice_on(tournament({"mix": 1.0, "l1": 0.8}, images=4, by_image={"l1": 0.3}))
    plan = advice.goals[0].plans["l1"]
    assert plan.seeds is None
    assert plan.images
    end = "more test pictures would decide mix against l1 with 80 % probability; more seeds will not."
    assert cards(advice)[0].details[-1] == f"{plan.images} {end}"


def test_finished_models_have_no_seeds_to_wait_for():
    rows = tournament({"new": 1.0, "old": 0.8}, images=4, seeds=1, by_image={"old": 0.3})
    [card] = cards(advice_on(rows, fixed_models=True))
    assert card.headline == "For fidelity nothing is decided yet: new leads."
    assert re.fullmatch(
        r"\d+ more test pictures would decide new against old with 80 % probability\.", card.details[-1]
    )
    [clear] = cards(advice_on(tournament({"new": 1.0, "old": 0.0}, seeds=1), fixed_models=True))
    assert clear.headline == "For fidelity, take new."


def test_both_are_needed_where_both_vary():
    sway = {"l1": 0.6}
    advice = advice_on(tournament({"mix": 1.0, "l1": 0.95}, images=3, seeds=2, by_image=sway, by_seed=sway))
    [goal] = advice.goals
    plan = goal.plans[goal.undecided[0]]
    assert (plan.seeds, plan.images) == (None, None)
    sentence = cards(advice)[0].details[-1]
    if plan.both:
        more, images = plan.both
        assert sentence == (
            f"{more} more seeds together with {images} more test pictures would decide "
            "l1 against mix with 80 % probability; neither alone."
        )
    else:
        assert sentence == "Nothing within reach is likely to decide l1 against mix."


# one seed, or one picture, crowns nobody


def test_one_seed():
    card = only_card(tournament({"l1": 1.0, "ssim": 0.0}, seeds=1))
    assert card.headline == "On these pictures, with one seed, l1 leads in fidelity; one seed decides nothing."
    assert card.details == (
        "ssim is worse: 1.00 dB behind l1 (1.00 to 1.00).",
        "A second seed would tell: only that shows how much seeds differ.",
    )


def test_one_seed_of_equals():
    card = only_card(tournament({"l1": 1.02, "mix": 1.0}, seeds=1))
    assert card.headline == (
        "On these pictures, with one seed, l1 and mix are equally good in fidelity; one seed decides nothing."
    )


def test_one_picture():
    card = only_card(tournament({"l1": 1.0, "ssim": 0.0}, images=1))
    assert card.headline == "On this one picture, l1 leads in fidelity; one picture decides nothing."
    assert card.details[-1] == "More test pictures would tell: one says nothing of others."


def test_one_picture_and_one_seed_have_no_interval():
    card = only_card(tournament({"l1": 1.0, "ssim": 0.0}, images=1, seeds=1, degraded=None))
    assert card.headline == (
        "On this one picture, with one seed, l1 leads in fidelity; one picture and one seed decide nothing."
    )
    assert card.details[0] == (
        "Whether ssim is as good as l1 is undecided: it is 1.00 dB behind, from one picture and one seed."
    )


# beside the degraded input


def test_where_nothing_helps_the_losses_are_ranked_all_the_same():
    card = only_card(tournament({"l1": 1.0, "ssim": 0.0}, degraded=2.0))
    assert card.headline == "No loss improves on the degraded input in fidelity; l1 comes nearest."
    assert card.details == (
        "l1 is 1.00 dB behind the degraded input (1.00 to 1.00).",
        "Avoid ssim: 1.00 dB behind l1 (1.00 to 1.00).",
    )


def test_what_hardly_helps():
    card = only_card(tournament({"l1": 1.05, "ssim": 0.0}, degraded=1.0))
    assert card.headline == "No loss improves notably on the degraded input in fidelity; l1 leads."


def test_what_helps_in_the_lead_metric_alone():
    gains = {"l1": {"ms_ssim": 1.0, "gmsd": -1.0}}
    card = only_card(tournament(gains, metrics=("ms_ssim", "gmsd"), degraded=0.0, by_image={DEGRADED: 0.1}))
    assert card.headline == "l1 is not known to improve on the degraded input in structure."
    assert card.details[0].startswith(
        "By one metric alone, though, l1 is 0.0200 ahead of the degraded input in MS-SSIM ("
    )


def test_what_may_not_help():
    rows = tournament({"l1": 1.0, "ssim": 0.9}, degraded=0.8, by_image={DEGRADED: 1.0, "ssim": 0.5})
    assert only_card(rows).headline == (
        "No loss is known to improve on the degraded input in fidelity; l1 seems to lead."
    )


ALONE = {
    "helps": (-3.0, 0.0, "l1 improves on the degraded input in fidelity."),
    "harms": (2.0, 0.0, "l1 does not improve on the degraded input in fidelity."),
    "may help": (0.9, 1.0, "l1 is not known to improve on the degraded input in fidelity."),
    "unknown": (None, 0.0, "l1 has no rival in fidelity."),
}


@pytest.mark.parametrize(("degraded", "sway", "words"), ALONE.values(), ids=ALONE.keys())
def test_one_loss_alone(degraded, sway, words):
    card = only_card(tournament({"l1": 1.0}, degraded=degraded, by_image={DEGRADED: sway}))
    assert card.headline == words
    assert len(card.details) == (degraded is not None)


# metrics that disagree, judges that may not judge, patterns, failures


def test_a_metric_that_says_the_opposite_is_named():
    rows = tournament(
        {"l1": {"ms_ssim": 3.0, "gmsd": 0.0}, "l2": {"ms_ssim": 0, "gmsd": 1}}, metrics=("ms_ssim", "gmsd")
    )
    card = only_card(rows)
    assert card.headline == "For structure, take l1."
    assert card.details[-1] == "By GMSD, though, l1 is worse than l2."


def test_the_lead_metric_need_not_lead():
    rows = tournament(
        {"l1": {"ms_ssim": 0, "gmsd": 3}, "l2": {"ms_ssim": 1, "gmsd": 0}}, metrics=("ms_ssim", "gmsd")
    )
    assert only_card(rows).details == (
        "Avoid l2: 0.0300 behind l1 in GMSD (0.0300 to 0.0300).",
        "By MS-SSIM, though, l1 is worse than l2.",
    )


NETWORK = "l1 + 0.1*features(squeezenet1_1, fire3)"


def test_a_judge_that_was_trained_on_is_excluded_with_the_reason():
    gains = {"l1": 0.0, NETWORK: {"psnr": -1.0, "niqe": 1.0, "lpips_squeeze": 9.0}}
    *_, perception = cards(advice_on(tournament(gains, metrics=("psnr", "niqe", "lpips_squeeze"))))
    assert perception.headline == f"For perception, take {NETWORK}."
    assert perception.details[-1] == (
        f"LPIPS (SqueezeNet) may not judge: {NETWORK} was trained on the same network."
    )


def test_a_goal_without_an_independent_judge_says_so():
    loss = "l1 + 0.1*lpips(squeeze)"
    advice = advice_on(tournament({"l1": 0.0, loss: 1.0}, metrics=("psnr", "lpips_squeeze")))
    *_, card = cards(advice)
    assert card.goal == "perception"
    assert card.headline == "Perception cannot be judged here: no judge is independent of all losses."
    assert card.details == (f"LPIPS (SqueezeNet) may not judge: {loss} was trained on this very measure.",)
    assert card.headline in verdict(advice)


def test_images_that_are_too_small_for_a_goal():
    rows = [replace(row, scores={**row.scores, "ms_ssim": float("nan")}) for row in tournament({"l1": 1, "l2": 0})]
    *_, card = cards(advice_on(rows))
    assert card.headline == "Structure could not be compared: no loss has a score for every picture and seed."


def test_a_choice_that_leaves_a_pattern_comes_with_a_caution():
    grid = Metric("grid", "Grid", False, 1, "dB")
    advice = advice_on(tournament({"l1": 1.0, "l2": 0.0}))

    def details(low: float) -> tuple[str, ...]:
        measured = Ranking(grid, ("l2", "l1"), {"l2": 0.1, "l1": 1.2}, {"l1": (low, 1.6), "l2": (0, 0.2)}, ("l2",))
        [card] = cards(replace(advice, grid=measured))
        return card.details

    assert details(low=0.8)[-1] == (
        "Look at its pictures closely: l1 puts 1.2 dB more energy at the upsampling grid than the originals have "
        "(0.8 to 1.6), which can show as a pattern of small squares."
    )
    assert details(low=-0.2) == cards(advice)[0].details


def test_a_loss_without_scores_is_named():
    rows = tournament({"l1": 1.0, "l2": 0.0, "ssim": 0.5})
    incomplete = [row for row in rows if row.method != "ssim" or row.image != "3"]
    assert only_card(incomplete).details[-1] == (
        "Not compared, for want of a score for every picture and seed: ssim."
    )


# between fidelity and perception

BOTH = ("psnr", "niqe")


def front_of(losses: Mapping[str, Gain], **truth: object) -> str:
    return front_sentence(advice_on(tournament(losses, metrics=BOTH, **truth)))  # type: ignore[arg-type]


def test_the_front_goes_from_the_faithful_to_the_good_looking():
    losses = {
        "l1": {"psnr": 2.0, "niqe": 0.0},
        "mix": {"psnr": 1.0, "niqe": 1.0},
        "gan": {"psnr": 0.0, "niqe": 2.0},
        "bad": {"psnr": -1.0, "niqe": -1.0},
    }
    words = "Between fidelity and perception: l1 is the most faithful, gan the best looking; mix lies between"
    assert front_of(losses) == f"{words}."
    assert front_of(losses, seeds=1) == f"{words}; that is not certain."


def test_where_both_goals_agree_there_is_nothing_to_trade():
    assert front_of({"l1": 2.0, "mix": 1.0}) == "Fidelity and perception agree: l1 is the best in both."
    assert front_of({"l1": 1.02, "mix": 1.0}) == (
        "Fidelity and perception agree: l1 and mix are among the best in both."
    )


def test_what_chance_may_have_put_on_the_front():
    sway = {"by_image": {"l1": 0.5}, "images": 4}
    assert front_of({"l1": 1.1, "mix": 1.0}, **sway) == "Fidelity and perception seem to agree: l1 leads in both."
    losses = {"l1": {"psnr": 1.1, "niqe": 1.0}, "mix": {"psnr": 1.0, "niqe": 1.1}}
    assert front_of(losses, **sway).endswith("mix the best looking; that is not certain.")


def test_no_front_without_perception_or_rivals():
    assert front_sentence(advice_on(tournament({"l1": 1.0, "l2": 0.0}))) == ""
    assert front_of({"l1": 1.0}) == ""


# in the terminal


def test_the_verdict_is_a_line_for_each_goal_and_one_for_the_front():
    losses = {"l1": {"psnr": 2.0, "niqe": 0.0}, "gan": {"psnr": 0.0, "niqe": 2.0}}
    assert verdict(advice_on(tournament(losses, metrics=BOTH))).splitlines() == [
        "For fidelity, take l1. Avoid gan: 2.00 dB behind l1 (2.00 to 2.00).",
        "For perception, take gan. Avoid l1: 2.00 behind gan in NIQE (2.00 to 2.00).",
        "Between fidelity and perception: l1 is the most faithful, gan the best looking.",
    ]


def test_the_verdict_says_what_would_decide():
    rows = tournament({"mix": 1.0, "l1": 0.8}, images=4, by_image={"l1": 0.3})
    assert re.fullmatch(
        r"For fidelity nothing is decided yet: mix leads\. \d+ more test pictures would decide mix .*\.",
        verdict(advice_on(rows)),
    )


def test_nothing_to_compare():
    assert verdict(advise([], ["l1"])) == (
        "Nothing could be compared: no loss has scores for every picture and seed."
    )


@pytest.mark.parametrize("case", range(30))
def test_whatever_happened_reads_well(case):
    """Tournaments by chance, of any size: whole sentences, without holes, and never a crown for one seed."""
    rng = np.random.default_rng(case)
    losses = ["l1", "l2", "mix", NETWORK, "ssim"][: rng.integers(1, 6)]
    seeds, images = int(rng.integers(1, 4)), int(rng.integers(1, 5))

    def chance(scale: float) -> dict[str, float]:
        return {name: float(rng.normal(0, scale)) for name in [*losses, DEGRADED]}

    rows = tournament(
        {name: {metric: float(rng.normal(0, 0.3)) for metric in MARGINS} for name in losses},
        degraded=float(rng.normal(-0.3, 0.5)) if case % 3 else None,
        seeds=seeds,
        images=images,
        by_image=chance(0.2),
        by_seed=chance(0.1),
        metrics=tuple(MARGINS),
    )
    advice = advice_on(rows, {name: float(rng.uniform(1, 4)) for name in losses})
    told = cards(advice, dict.fromkeys(losses, 60.0))
    assert [card.goal for card in told] == ["fidelity", "structure", "perception"]
    for sentence in [s for card in told for s in (card.headline, *card.details)] + verdict(advice).splitlines():
        assert re.fullmatch(r"\S+( \S+)*\.", sentence), sentence
        assert not re.search(r"\bnan\b|None|[-.]0\.0+ ", sentence), sentence
        if seeds == 1 or images == 1:
            assert not re.search(r"\btake\b|Avoid", sentence), sentence
