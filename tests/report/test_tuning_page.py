"""The page of a search: what it recommends, draws, lists and escapes."""

import html
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from lossmith.metrics.registry import known_metric
from lossmith.report import FrontMember, ScoreMean, SearchRange, TuningContents, TuningTrial, write_tuning
from lossmith.report.tuning_charts import TuningChart, front_charts, history_chart, search_charts
from lossmith.report.tuning_front import along_front, undominated
from lossmith.report.tuning_words import recommendations, remarks, trend, why_off

from .tuning_example import search_example

PSNR, LPIPS, SSIM = (known_metric(name) for name in ("psnr", "lpips_squeeze", "ssim"))
W = SearchRange("W", "0..1")


def page_of(contents: TuningContents, folder: Path) -> str:
    write_tuning(folder / "report.html", contents)
    return (folder / "report.html").read_text("utf-8")


def text_of(page: str) -> str:
    """What is read; words that markup splits stay whole."""
    text = re.sub(r"<(script|style)[\s\S]*?</\1>|</?(span|wbr)[^>]*>", "", page)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split())


def trial(number: int, psnr: float, lpips: float, state: str = "complete", w: float | str = 0.5) -> TuningTrial:
    return TuningTrial(number, {"W": w}, f"l1 + {w}*tv", state, {"psnr": psnr, "lpips_squeeze": lpips})  # type: ignore[arg-type]


def member(number: int, psnr: float, lpips: float, **changes: object) -> FrontMember:
    scores = {"psnr": ScoreMean(psnr), "lpips_squeeze": ScoreMean(lpips)}
    return replace(FrontMember(number, {"W": 0.5}, f"l{number}", scores, {}, (1, 2), True), **changes)  # type: ignore[arg-type]


def search(
    trials: Sequence[TuningTrial], members: Sequence[FrontMember] = (), **changes: object
) -> TuningContents:
    """A search without pictures."""
    return replace(search_example(count=8), trials=trials, members=members, comparisons=(), ranges=(W,), **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def contents() -> TuningContents:
    return search_example()


@pytest.fixture(scope="module")
def page(contents: TuningContents, tmp_path_factory: pytest.TempPathFactory) -> str:
    return page_of(contents, tmp_path_factory.mktemp("tuning"))


# --- what to take ----------------------------------------------------------------------------------------------


def test_each_need_has_one_expression_to_paste(contents: TuningContents, page: str) -> None:
    cards = re.findall(r"<article.*?</article>", page, re.S)
    best, perception, compromise = (text_of(card) for card in cards)
    front = [member for member in along_front(contents) if member.on_front]
    for card, need, taken in (
        (best, "For the best PSNR", front[0]),
        (perception, "For the best LPIPS (SqueezeNet)", front[-1]),
        (compromise, "For a compromise", front[1]),
    ):
        assert card.startswith(need)
        assert taken.loss in card
        assert f"PSNR {taken.validation['psnr'].value:.2f} dB" in card
    assert all('class="copy' in card for card in cards)


def test_the_compromise_has_the_best_worst_goal() -> None:
    """In parts of what the front spans: (1, 0), (0.9, 0.1), (0.6, 0.5), (0, 1)."""
    members = [member(0, 30.0, 0.3), member(1, 29.9, 0.29), member(2, 29.6, 0.25), member(3, 29.0, 0.2)]
    names = {r.need: r.member.trial for r in recommendations(search([], members), members)}
    assert names == {"the best PSNR": 0, "the best LPIPS (SqueezeNet)": 3, "a compromise": 2}


def test_a_loss_that_is_best_in_everything_is_named_once() -> None:
    members = [member(0, 30.0, 0.2), member(1, 29.0, 0.3, on_front=False, reason="beaten")]
    (only,) = recommendations(search([], members), members)
    assert (only.need, only.member.trial) == ("the best PSNR and LPIPS (SqueezeNet)", 0)


def test_what_fell_off_the_front_is_not_recommended() -> None:
    members = [member(0, 30.0, 0.3, on_front=False), member(1, 29.0, 0.2)]
    assert [r.member.trial for r in recommendations(search([], members), members)] == [1]


def test_what_another_beats_by_its_means_is_on_the_front_and_not_recommended(tmp_path: Path) -> None:
    """Trial 1 is beaten by trial 0 in both goals, which may be chance."""
    members = [member(0, 30.0, 0.25), member(1, 29.9, 0.26), member(2, 29.5, 0.2)]
    trials = [trial(number, 30.0 - number, 0.3 - 0.01 * number) for number in range(3)]
    contents = search(trials, members)
    assert [r.member.trial for r in recommendations(contents, members)] == [0, 2]
    (chart,) = front_charts(contents, members)
    assert chart.front == [(mark.x, mark.y) for mark in (chart.members[0], chart.members[2])]
    text = text_of(page_of(contents, tmp_path))
    assert text.count("on the front?") == 1


def test_what_a_choice_costs_is_said_beside_the_best() -> None:
    members = [member(0, 30.0, 0.3), member(1, 29.0, 0.2, values={"learning_rate": 0.002})]
    first, second = recommendations(search([], members), members)
    assert first.details[1] == "That is 0.1000 of LPIPS (SqueezeNet) behind the best of the front."
    assert second.details[1:] == [
        "That is 1.00 dB of PSNR behind the best of the front.",
        "Trained with a learning rate of 0.002.",
    ]


def test_a_goal_in_which_the_front_differs_by_less_than_the_margin_is_said_not_to_matter() -> None:
    members = [member(0, 30.05, 0.3), member(1, 30.0, 0.2)]
    assert remarks(search([], members)) == [
        "In PSNR the members of the front differ by 0.05 dB at most, and less than 0.1 dB matters to nobody: "
        "choose by the rest."
    ]
    assert remarks(search([], [member(0, 30.2, 0.3), member(1, 30.0, 0.2)])) == []


def test_of_one_goal_it_is_said_where_the_candidates_do_not_differ() -> None:
    members = [member(0, 30.05, 0.3), replace(member(1, 30.0, 0.2), on_front=False)]
    assert remarks(replace(search([], members), goals=[PSNR])) == [
        "In PSNR the candidates differ by 0.05 dB at most, and less than 0.1 dB matters to nobody."
    ]
    apart = [member(0, 30.2, 0.3), replace(member(1, 30.0, 0.2), on_front=False)]
    assert remarks(replace(search([], apart), goals=[PSNR])) == []


def test_a_reason_names_members_by_their_numbers_on_the_page() -> None:
    members = [member(11, 30.0, 0.3), member(1, 29.0, 0.2), member(5, 28.0, 0.1)]
    assert why_off(replace(members[1], reason="trial 11 is better in PSNR"), members) == (
        "Number 1 is better in PSNR"
    )
    assert why_off(replace(members[0], reason="it is as good as trial 5"), members) == "It is as good as number 3"
    assert why_off(members[0], members) == "Not on the front"


# --- the front -------------------------------------------------------------------------------------------------


def test_the_front_holds_what_nothing_beats_and_no_trial_that_was_stopped() -> None:
    trials = [
        trial(0, 30.0, 0.30),
        trial(1, 29.0, 0.20),
        trial(2, 29.0, 0.25),  # beaten by trial 1 in one goal, as good in the other
        trial(3, 28.0, 0.10, "pruned"),
        trial(4, float("nan"), 0.05),
        trial(5, 29.5, 0.22),
        trial(6, 29.5, 0.22),  # as good as another in both
    ]
    assert [t.number for t in undominated(trials, [PSNR, LPIPS])] == [0, 5, 6, 1]
    assert [t.number for t in undominated(trials, [PSNR])] == [0]


def test_the_front_goes_from_fidelity_to_perception_whatever_the_order_of_the_goals() -> None:
    members = [member(0, 29.0, 0.2), member(1, 30.0, 0.3), member(2, 30.5, 0.4, validation={})]
    for goals in ([PSNR, LPIPS], [LPIPS, PSNR]):
        contents = search([], members, goals=goals)
        assert [metric.name for metric in contents.axes] == ["psnr", "lpips_squeeze"]
        assert [m.trial for m in along_front(contents)] == [1, 0, 2]


def test_better_is_to_the_right_and_up() -> None:
    trials = [trial(0, 30.0, 0.3), trial(1, 29.0, 0.2), trial(2, 28.0, 0.4)]
    members = [member(0, 30.0, 0.3), member(1, 29.0, 0.2)]
    (chart,) = front_charts(search(trials, members), members)
    first, second, third = chart.dots
    assert first.x > second.x > third.x
    assert second.y < first.y < third.y  # places go down
    left, top, right, bottom = chart.frame
    assert all(left <= dot.x <= right and top <= dot.y <= bottom for dot in chart.dots)
    assert [(mark.x, mark.y) for mark in chart.members] == [(first.x, first.y), (second.x, second.y)]
    assert chart.line == [(first.x, first.y), (second.x, second.y)]
    assert (chart.x_title, chart.y_title) == ("PSNR in dB, better →", "↑ better, LPIPS (SqueezeNet)")


def test_intervals_reach_from_end_to_end_and_a_mark_knows_its_trial() -> None:
    means = {"psnr": ScoreMean(29.5, 29.0, 30.0), "lpips_squeeze": ScoreMean(0.25)}
    trials, members = [trial(0, 30.0, 0.2), trial(1, 29.0, 0.3)], [member(0, 0, 0, validation=means)]
    (chart,) = front_charts(search(trials, members), members)
    (mark,) = chart.members
    assert mark.across == (chart.dots[1].x, chart.dots[0].x)
    assert mark.up is None
    assert mark.origin == (chart.dots[0].x, chart.dots[0].y)


def test_a_trial_far_from_the_front_is_drawn_at_the_edge_and_says_so() -> None:
    trials = [trial(0, 30.0, 0.3), trial(1, 29.0, 0.2), trial(2, 9.0, 0.9)]
    (chart,) = front_charts(search(trials), [])
    assert [dot.is_beyond for dot in chart.dots] == [False, False, True]
    assert chart.dots[2].x == chart.frame[0]
    assert chart.dots[2].words == ("trial 2: PSNR 9.00 dB, LPIPS (SqueezeNet) 0.9000; W = 0.5 (beyond the edge)")


def test_three_goals_have_two_charts() -> None:
    contents = search_example()
    trials = [replace(t, scores={**t.scores, "ssim": 0.8}) for t in contents.trials]
    charts = front_charts(replace(contents, goals=[PSNR, LPIPS, SSIM], trials=trials, members=()), [])
    assert [chart.title for chart in charts] == ["SSIM against PSNR", "LPIPS (SqueezeNet) against PSNR"]


# --- the course of one goal ------------------------------------------------------------------------------------


def test_one_goal_is_shown_over_the_trials_with_the_best_so_far() -> None:
    trials = [
        trial(0, 28.0, 0.3),
        trial(1, 31.0, 0.3, "pruned"),
        trial(2, 29.0, 0.3),
        trial(3, 28.5, 0.3),
    ]
    chart = history_chart(search(trials, goals=[PSNR]), [])
    assert isinstance(chart, TuningChart)
    (a, _, c, d) = chart.dots
    assert a.x < c.x < d.x
    assert chart.line == [(a.x, a.y), (c.x, a.y), (c.x, c.y), (d.x, c.y)]


def test_the_page_of_one_goal_names_one_best(tmp_path: Path) -> None:
    contents = search_example(("psnr",))
    page = page_of(contents, tmp_path)
    text = text_of(page)
    (best,) = [member for member in contents.members if member.on_front]
    assert "PSNR over the trials" in text
    assert text.count("For the best PSNR") == 1
    assert best.loss in text_of(re.findall(r"<article.*?</article>", page, re.S)[0])
    assert "compromise" not in text


# --- what matters ----------------------------------------------------------------------------------------------


def test_a_trend_is_said_where_ranks_correlate_beyond_chance() -> None:
    rising = [trial(i, 28 + i, 0.3, w=float(i)) for i in range(8)]
    assert trend(rising, W, PSNR) == "better the larger W is, ρ = 1.00"
    falling = [replace(t, scores={"lpips_squeeze": 0.1 + 0.01 * t.number}) for t in rising]
    assert trend(falling, W, LPIPS) == "worse the larger W is, ρ = −1.00"
    zigzag = [trial(i, 28 + (i * 3) % 8, 0.3, w=float(i)) for i in range(8)]
    assert trend(zigzag, W, PSNR).startswith("no clear trend, ρ = ")


def test_of_choices_of_few_trials_and_of_what_was_stopped_no_trend_is_said() -> None:
    trials = [trial(i, 28 + i, 0.3, w=float(i)) for i in range(8)]
    assert trend(trials[:5], W, PSNR) == ""
    assert trend([replace(t, state="pruned") for t in trials], W, PSNR) == ""
    assert trend(trials, SearchRange("W", "a|b", choices=("a", "b")), PSNR) == ""
    assert trend([replace(t, values={"W": 1.0}) for t in trials], W, PSNR) == "no trend"


def test_ranges_are_drawn_as_they_are_searched() -> None:
    values = (0.001, 0.01, 0.1)
    trials = [trial(i, 28 + i, 0.3, w=w) for i, w in enumerate(values)]
    (linear, *_), (logarithmic, *_) = (
        search_charts(replace(search(trials), ranges=[replace(W, logarithmic=flag)]), [])[0][1]
        for flag in (False, True)
    )
    gaps = [b.x - a.x for a, b in zip(logarithmic.dots, logarithmic.dots[1:], strict=False)]
    assert gaps[0] == pytest.approx(gaps[1], abs=0.2)  # places have one decimal
    assert linear.dots[1].x - linear.dots[0].x < 0.2 * (linear.dots[2].x - linear.dots[1].x)


def test_choices_stand_beside_each_other_in_the_order_given() -> None:
    trials = [trial(i, 28.0 + i, 0.3, w=w) for i, w in enumerate(("relu", "elu", "relu"))]
    contents = replace(search(trials), ranges=[SearchRange("W", "elu|relu|gelu", choices=("elu", "relu", "gelu"))])
    chart = search_charts(contents, [])[0][1][0]
    assert [text for _, text in chart.x_ticks] == ["elu", "relu", "gelu"]
    assert [dot.x for dot in chart.dots] == [chart.x_ticks[1][0], chart.x_ticks[0][0], chart.x_ticks[1][0]]


def test_long_choices_are_shortened_to_their_room() -> None:
    choices = ("0.1*ms_ssim(levels=2)", "0.1*ms_ssim(levels=3)", "ssim")
    trials = [trial(i, 28.0 + i, 0.3, w=w) for i, w in enumerate(choices)]
    contents = replace(search(trials), ranges=[SearchRange("W", "|".join(choices), choices=choices)])
    first, second, third = [text for _, text in search_charts(contents, [])[0][1][0].x_ticks]
    assert len(first) <= 12
    assert first != second
    assert third == "ssim"


# --- the whole page --------------------------------------------------------------------------------------------


def test_the_page_lists_every_trial_with_its_state(contents: TuningContents, page: str) -> None:
    (table,) = re.findall(r'<table class="sortable trials">.*?</table>', page, re.S)
    rows = re.findall(r"<tr class=.*?</tr>", table, re.S)
    assert len(rows) == len(contents.trials)
    for trial_, row in zip(contents.trials, map(text_of, rows), strict=True):
        assert row.startswith(str(trial_.number))
        assert {"complete": "complete", "pruned": "stopped early", "failed": "failed"}[trial_.state] in row
        assert trial_.loss in row
        assert all(f"{score:.2f}" in row or f"{score:.4f}" in row for score in trial_.scores.values())
    assert "40: 27 complete, 9 stopped early, 4 failed" in text_of(page)
    assert "The loss became NaN at step 12" in text_of(page)


def test_the_page_draws_every_trial_with_scores_and_every_member(contents: TuningContents, page: str) -> None:
    large = page.split('<figure class="chart card interactive">')[1].split("</figure>")[0]
    states = [t.state for t in contents.trials]
    assert large.count('<g class="dot complete') == states.count("complete")
    assert large.count('<g class="dot pruned') == states.count("pruned")
    assert large.count('<g class="member ') == len(contents.members)
    assert large.count('class="whisker"') == 2 * len(contents.members)
    assert large.count(' off" data-member=') == 1


def test_the_pictures_are_those_of_every_member_between_degraded_and_target(
    contents: TuningContents, page: str
) -> None:
    strip = page.split('<div class="strip"')[1].split("</table>")[0]
    assert strip.count("<img src=") == len(contents.comparisons) * (len(contents.members) + 2)
    order = re.findall(r'alt="chelsea: ([^",]+)', strip)
    assert order == ["degraded", *(str(i + 1) for i in range(len(contents.members))), "target"]


def test_test_scores_are_reported_apart_from_what_decides(contents: TuningContents, page: str) -> None:
    table = page.split('<table class="members">')[1].split("</table>")[0]
    text = text_of(table)
    assert "Validation crops Test images" in text
    fallen = next(m for m in contents.members if not m.on_front)
    assert "Number 2 is better in both goals" in text
    assert fallen.reason.startswith("trial ")
    for m in contents.members:
        for mean in (*m.validation.values(), *m.test.values()):
            assert f"{mean.value:.2f}" in text or f"{mean.value:.4f}" in text
    assert "26.90" in text  # of the degraded images


def test_everything_from_outside_is_escaped(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>&\"'"
    contents = search_example(count=12)
    trials = [replace(t, loss=evil, note=evil, values={"W": evil, "V": 0.1}) for t in contents.trials]
    members = [
        replace(m, loss=evil, reason=evil, on_front=not i, values={"W": evil, "V": 0.1})
        for i, m in enumerate(contents.members)
    ]
    page = page_of(
        replace(
            contents,
            loss=evil,
            ranges=[SearchRange("W", evil, choices=(evil,)), SearchRange("V", evil)],
            trials=trials,
            members=members,
            comparisons=[replace(c, image=evil) for c in contents.comparisons],
            degradation=evil,
            network=evil,
            budget=evil,
            protocol=evil,
            command=evil,
            environment={evil: evil},
            notes=[evil],
        ),
        tmp_path,
    )
    assert "<script>alert" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;&amp;&#34;&#39;") > 50
    assert page.count("<script") == 2  # its own


def test_the_page_loads_nothing_and_names_its_maker(page: str) -> None:
    assert not re.search(r"https?://|<script [^>]*src|@import", page)
    assert 'name="generator" content="lossmith"' in page


@pytest.mark.parametrize("goals", [("psnr",), ("psnr", "lpips_squeeze")])
def test_a_search_without_results_has_a_page_that_says_so(tmp_path: Path, goals: tuple[str, ...]) -> None:
    contents = replace(search_example(goals), trials=(), members=(), comparisons=())
    text = text_of(page_of(contents, tmp_path))
    assert "there is nothing to recommend yet" in text
    assert "No trial has a score" in text
    failed = [t for t in search_example(goals).trials if t.state == "failed"]
    text = text_of(page_of(replace(contents, trials=failed), tmp_path))
    assert "4: 0 complete, 0 stopped early, 4 failed" in text


def test_a_member_whose_runs_diverged_is_listed_and_nowhere_drawn(tmp_path: Path) -> None:
    contents = search_example()
    lost = replace(
        contents.members[0], validation={}, test={}, seeds=(), on_front=False, reason="every run diverged"
    )
    comparisons = [
        replace(c, restored={k: v for k, v in c.restored.items() if k != lost.name}) for c in contents.comparisons
    ]
    page = page_of(replace(contents, members=[lost, *contents.members[1:]], comparisons=comparisons), tmp_path)
    assert "Every run diverged" in text_of(page)
    large = page.split('<figure class="chart card interactive">')[1].split("</figure>")[0]
    assert large.count('<g class="member ') == len(contents.members) - 1
