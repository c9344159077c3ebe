"""Names pair as whoever gave them meant it, or not at all."""

from collections.abc import Sequence

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lossmith.core.errors import LossmithError
from lossmith.data.pair_names import (
    match_names,
    match_names_in_one_folder,
    match_pattern,
    match_results_to_targets,
    parse_pair,
)

CONVENTIONS = {
    "the same": ("{}", "{}"),
    "DIV2K": ("{}", "{}x2"),
    "DIV2K mild": ("{}", "{}x4m"),
    "DIV2K wild": ("{}", "{}x4w1"),
    "BasicSR": ("{}", "{}_x2"),
    "bicubic by MATLAB": ("{}", "{}_bicLRx2"),
    "RCAN": ("{}_HR_x2", "{}_LRBI_x2"),
    "RealSR": ("{}_HR", "{}_LR4"),
    "DRealSR": ("{}_x1", "{}_x4"),
    "SelfExSR": ("img_{}_SRF_2_HR", "img_{}_SRF_2_LR"),
    "SIDD": ("{}_GT_SRGB_010", "{}_NOISY_SRGB_010"),
    "PolyU": ("{}_mean", "{}_real"),
    "a word before": ("GT_{}", "NOISY_{}"),
    "NTIRE": ("{}_GT", "{}_IN"),
    "clean and noisy": ("{}_clean", "{}_noisy"),
    "RealBlur": ("gt_{}", "blur_{}"),
    "LOL": ("normal{}", "low{}"),
    "Rain100": ("norain-{}", "rain-{}"),
    "haze": ("{}_GT", "{}_hazy"),
    "by quality": ("{}_hq", "{}_lq"),
    "by strength": ("{}", "{}_noise25"),
    "by JPEG": ("{}", "{}_jpeg_10"),
    "capitals and underscores": ("{}Reference", "{}Noisy"),
    "GoPro": ("{}/sharp/7", "{}/blur/7"),
    "folders": ("HR/{}", "LR_bicubic/{}"),
}
PLAIN_NAMES = ["0001", "baby", "img_004", "Canon5D", "IMG-7", "a b", "é", "12"]
LIKE_TAGS = ["linux2", "0801x4", "4x", "HR", "lr", "x", "in"]
"""Parts of names that may look like tags and be none."""


def ids(words: Sequence[str]) -> st.SearchStrategy[list[str]]:
    name = st.builds("_".join, st.lists(st.sampled_from(words), min_size=1, max_size=3))
    return st.lists(name, min_size=1, max_size=6, unique_by=str.casefold)


@pytest.mark.parametrize("convention", CONVENTIONS.values(), ids=CONVENTIONS.keys())
def test_known_naming_conventions_pair(convention: tuple[str, str]) -> None:
    clean_pattern, degraded_pattern = convention
    names = ["0001", "0010", "0100"]
    expected = {clean_pattern.format(name): degraded_pattern.format(name) for name in names}
    for change in (str, str.upper, str.lower):
        assert match_names([*expected], [change(name) for name in reversed(expected.values())]) == {
            clean: change(degraded) for clean, degraded in expected.items()
        }


@settings(deadline=None)
@given(ids(PLAIN_NAMES + LIKE_TAGS), st.sampled_from([*CONVENTIONS.values()]), st.randoms())
def test_names_of_a_convention_pair_exactly_or_not_at_all(names: list[str], convention, rng) -> None:
    """Also where ids look like tags: two ways of reading them are a reason to ask, never to guess."""
    expected = {convention[0].format(name): convention[1].format(name) for name in names}
    degraded_names = [*expected.values()]
    rng.shuffle(degraded_names)
    assert match_names([*expected], degraded_names) in (expected, None)


@settings(deadline=None)
@given(
    st.sets(st.integers(0, 9999), min_size=1, max_size=9), st.sampled_from([*CONVENTIONS.values()]), st.randoms()
)
def test_plain_ids_always_pair(numbers: set[int], convention: tuple[str, str], rng) -> None:
    expected = {convention[0].format(f"{i:04}"): convention[1].format(f"{i:04}") for i in numbers}
    degraded_names = [*expected.values()]
    rng.shuffle(degraded_names)
    assert match_names([*expected], degraded_names) == expected


@settings(deadline=None)
@given(ids(PLAIN_NAMES), ids(PLAIN_NAMES), st.sampled_from([*CONVENTIONS.values()]))
def test_an_unmatched_name_on_either_side_pairs_nothing(
    clean_names: list[str], degraded_names: list[str], convention: tuple[str, str]
) -> None:
    """An image too many, or another one, on either side: nobody is paired with whoever is left."""
    assume({name.casefold() for name in clean_names} != {name.casefold() for name in degraded_names})
    assert (
        match_names(
            [convention[0].format(name) for name in clean_names],
            [convention[1].format(name) for name in degraded_names],
        )
        is None
    )


@pytest.mark.parametrize(
    ("clean", "degraded"),
    [
        (["a", "b"], ["a"]),
        (["a"], ["a_x2", "a_x3"]),
        (["a_x2", "a_x3"], ["a"]),
        (["a_HR", "a"], ["a_LR", "a_x2"]),
        (["1_noisy", "2_noisy"], ["1_clean", "2_clean"]),
        (["a1"], ["a_1"]),
    ],
)
def test_ambiguous_names_are_not_paired(clean: list[str], degraded: list[str]) -> None:
    assert match_names(clean, degraded) is None


def test_names_of_both_sides_in_one_folder_are_paired() -> None:
    assert match_names_in_one_folder(["1_GT", "1_NOISY", "2_GT", "2_NOISY"]) == {
        "1_GT": "1_NOISY",
        "2_GT": "2_NOISY",
    }
    assert match_names_in_one_folder(["1_GT", "1_NOISY", "2_GT"]) is None
    assert match_names_in_one_folder(["1", "1x2"]) is None, "which of two is clean must be said"


@pytest.mark.parametrize(
    "naming",
    [
        "{}_out",
        "{}_x4_SwinIR",
        "{}_x4_4x-model",
        "{}_restored",
        "{}_fake_B",
        "{}_rlt",
        "SR_{}",
        "{}x4_out",
        "{}",
        "{}-1",
        "{}.jpg",
    ],
)
@pytest.mark.parametrize("target", ["{}", "{}_HR", "GT_{}"])
@settings(deadline=None, max_examples=15)
@given(names=st.sets(st.sampled_from(["baby", "img_001", "img_002", "bird", "0801", "é", "B1"]), min_size=1))
def test_results_are_matched_by_their_common_prefix_and_suffix(naming: str, target: str, names: set[str]) -> None:
    expected = {target.format(name): naming.format(name) for name in names}
    assert match_results_to_targets([*expected], [*reversed(expected.values())]) == expected


def test_missing_and_foreign_results_do_not_hide_the_others() -> None:
    assert match_results_to_targets(["a", "b", "c"], ["a_out", "b_out", "grid"]) == {"a": "a_out", "b": "b_out"}
    assert match_results_to_targets(["a", "b", "c"], ["c", "x", "y"]) == {"c": "c"}
    assert match_results_to_targets(["a", "b", "c", "d"], ["a_out", "x", "y", "z"]) is None, (
        "one of four may be chance"
    )
    assert match_results_to_targets(["a", "b"], ["a_1", "a_2", "b_1", "b_2"]) is None, "two sets of results"


@pytest.mark.parametrize("text", ["", "{}", "a:b", "{}:b", "{}:{}:{}", "{}_{}:{}"])
def test_a_pair_pattern_needs_as_many_gaps_on_both_sides(text: str) -> None:
    with pytest.raises(LossmithError, match=r"^`pair` takes two names with \{\} for what they share"):
        parse_pair(text)


def test_a_pair_pattern_can_hold_any_characters() -> None:
    clean, degraded = parse_pair("{}/a/{}_*.png:{}/b/{}.JPG")
    assert (
        match_pattern(clean, ["1/A/2_*", "1/a/2"]).keys()
        == match_pattern(degraded, ["1/b/2", "2/c/3"]).keys()
        == {"1\0002"}
    )
    with pytest.raises(LossmithError, match=r"'1_HR' and '1_hr' are the same under '{}_HR'"):
        match_pattern("{}_HR", ["1_HR", "1_hr"])
