"""Matching image names: of clean and degraded images, of targets and results.

Names are without suffixes, with `/` between folders. Data sets mark them by tags such as `_HR` and `_LR2`; names
that are equal without their tags (their stems) belong together. A convention is a set of tags that all names have.
All conventions are tried; where two of them pair the names differently, none is chosen.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from functools import cache
from itertools import combinations, pairwise
from unicodedata import normalize

from lossmith.core.errors import LossmithError

CLEAN_TAGS = (
    "hr hq gt clean clear sharp target reference ref original orig expert mean normal norain high highres hires "
    "truth groundtruth ground_truth tgt"
)
DEGRADED_TAGS = (
    "lr lq lrbi lrbd lrdn bic biclr bicubic lowres lores low mild wild difficult unknown noisy noise real input "
    "in blur blurry blurred haze hazy rain rainy jpeg jpg compressed degraded damaged corrupted source src"
)
NUMBERED_TAG = r"(?:lr|lq|noisy|noise|sigma|jpe?g|qf?)_?\d+"
"""Tags of degraded images with a number: LR2, noise25, jpeg_10."""
SCALE_TAG = r"x\d{1,2}(?:[mwd]\d?)?|\d{1,2}x"
"""Tags of a scale, often directly after the name: babyx4, 0001x4m (for mild, wild and difficult in DIV2K)."""
MAX_TAGS = 3
"""The most tags of a name that are tried together."""

Pairing = dict[str, str]
"""Names by names."""
Tags = tuple[str, ...]


def match_names(clean: Sequence[str], degraded: Sequence[str]) -> Pairing | None:
    """{clean: degraded} for all names of two folders, or None if they do not determine it.

    >>> match_names(["a_HR", "b_HR"], ["bx2", "ax2"])
    {'a_HR': 'ax2', 'b_HR': 'bx2'}
    >>> match_names(["a", "b"], ["a", "c"])
    """
    if set(clean) == set(degraded):
        return {name: name for name in clean}
    return _unanimous(
        {left[stem]: right[stem] for stem in left}
        for left in _common_conventions(clean, CLEAN_TAGS)
        for right in _common_conventions(degraded, DEGRADED_TAGS)
        if left.keys() == right.keys()
    )


def match_names_in_one_folder(names: Sequence[str]) -> Pairing | None:
    """{clean: degraded} for the names in one folder, if a tag marks each as clean or degraded; else None.

    >>> match_names_in_one_folder(["1_GT", "1_NOISY", "2_GT", "2_NOISY"])
    {'1_GT': '1_NOISY', '2_GT': '2_NOISY'}
    """
    pairings = (
        {clean[stem]: degraded[stem] for stem in clean}
        for clean_tags, clean in _names_by_stem(names, CLEAN_TAGS).items()
        for degraded_tags, degraded in _names_by_stem(names, DEGRADED_TAGS).items()
        if clean_tags and degraded_tags and clean.keys() == degraded.keys()
    )
    return _unanimous(pairing for pairing in pairings if sorted([*pairing, *pairing.values()]) == sorted(names))


def match_results_to_targets(targets: Sequence[str], results: Sequence[str]) -> Pairing | None:
    """{target: result} by equal names, or by results that all have the same prefix or suffix added.

    Results may be missing, and other files may be among them: the convention with the most matches counts, if
    these are more than half of the names.

    >>> match_results_to_targets(["baby", "bird", "head"], ["baby_x4_SwinIR", "bird_x4_SwinIR"])
    {'baby': 'baby_x4_SwinIR', 'bird': 'bird_x4_SwinIR'}
    """
    same = {name: name for name in targets if name in set(results)}
    by_tags = _names_by_stem(targets, CLEAN_TAGS)
    known = {tags: names for tags, names in by_tags.items() if len(names) == len(targets)}
    pairings: dict[tuple[str, Tags, Tags], Pairing] = {}
    ambiguous = set()
    for result in results:
        for affix, bare in _without_affixes(result):
            for result_tags, stem in without_tags(bare, DEGRADED_TAGS).items():
                for target_tags, names in known.items():
                    if stem in names:
                        convention = (affix, target_tags, result_tags)
                        if pairings.setdefault(convention, {}).setdefault(names[stem], result) != result:
                            ambiguous.add(convention)
    one_to_one = [pairing for convention, pairing in pairings.items() if convention not in ambiguous]
    count = max(map(len, one_to_one), default=0)
    if same and len(same) >= count:
        return same
    possible = min(len(targets), len(results))
    if count < possible and 2 * count <= possible:
        return None
    return _unanimous(pairing for pairing in one_to_one if len(pairing) == count)


def conflicting_scale(clean: str, degraded: str, scale: int) -> int | None:
    """The scale in a degraded image's name, if it is neither `scale` nor in the clean image's name; else None.

    >>> conflicting_scale("0001", "0001x4m", 2), conflicting_scale("0001", "0001x4m", 4)
    (4, None)
    >>> conflicting_scale("1_HR_x2", "1_LR_x2", 3)
    """
    tags = _tags(degraded, DEGRADED_TAGS) - _tags(clean, DEGRADED_TAGS)
    matches = [re.fullmatch(r"(lr_?|x)?(\d+)([mwd]\d?|x)?", tag) for tag in tags]
    # the LR4 images of RealSR are as large as their HR images
    scales = {int(match[2]) for match in matches if match and not (scale == 1 and (match[1] or "")[:2] == "lr")}
    return scales.pop() if len(scales) == 1 and scale not in scales else None


def parse_pair(text: str) -> tuple[str, str]:
    """The two name patterns of a `pair` option such as "{}_HR:{}_LR2".

    Raises LossmithError for anything else.
    """
    sides = [re.sub(r"(?<=.)\.[a-zA-Z]{3,4}$", "", side) for side in text.split(":")]  # suffixes do not matter
    placeholders = [side.count("{}") for side in sides]
    if len(sides) != 2 or not placeholders[0] or placeholders[0] != placeholders[1]:
        raise LossmithError(
            f"`pair` takes two names with {{}} for what they share, such as \"{{}}_HR:{{}}_LR2\", not '{text}'"
        )
    return sides[0], sides[1]


def match_pattern(pattern: str, names: Iterable[str]) -> Pairing:
    """The names that match a pattern, in upper or lower case, by what stands for its {}.

    Raises LossmithError if two names have the same text there.

    >>> match_pattern("{}_HR", ["1_HR", "2_hr", "3_LR"])
    {'1': '1_HR', '2': '2_hr'}
    """
    regex = "(.+?)".join(map(re.escape, normalize("NFC", pattern).split("{}")))
    matches: Pairing = {}
    for name in names:
        match = re.fullmatch(regex, normalize("NFC", name), re.IGNORECASE | re.DOTALL)
        if match and (other := matches.setdefault("\0".join(match.groups()).casefold(), name)) != name:
            raise LossmithError(f"'{other}' and '{name}' are the same under '{pattern}'; remove one")
    return matches


def suggest_pair(first: str, second: str) -> str:
    """A `pair` option under which two names belong together; empty if they share nothing.

    >>> suggest_pair("baby_a", "baby_b.small")
    '{}_a:{}_b.small'
    >>> suggest_pair("1_clear", "1_cloudy")
    '{}_clear:{}_cloudy'
    """
    block = SequenceMatcher(None, first, second, autojunk=False).find_longest_match()
    shared = first[block.a : block.a + block.size]
    if any(re.match("[a-z]", name[start + block.size :]) for name, start in ((first, block.a), (second, block.b))):
        shared = re.sub("[a-zA-Z]+$", "", shared)  # 1_cl, shared by 1_clear and 1_cloudy, ends within a word
    shared = re.sub(r"^[\W_]+|[\W_]+$", "", shared)
    return f"{first.replace(shared, '{}', 1)}:{second.replace(shared, '{}', 1)}" if shared else ""


def _unanimous(pairings: Iterable[Pairing]) -> Pairing | None:
    """The pairing if all are equal; None if they differ or there is none."""
    first = None
    for pairing in pairings:
        if first is not None and pairing != first:
            return None
        first = pairing
    return first


def _common_conventions(names: Sequence[str], words: str) -> list[Pairing]:
    """For each set of tags that all names have: the names by their stems."""
    return [by_stem for by_stem in _names_by_stem(names, words).values() if len(by_stem) == len(names)]


def _names_by_stem(names: Iterable[str], words: str) -> dict[Tags, Pairing]:
    """For each set of tags: the names that have it by their stems, unless two names have the same stem."""
    names_by_stem: dict[Tags, Pairing] = {}
    ambiguous = set()
    for name in names:
        for tags, stem in without_tags(name, words).items():
            if names_by_stem.setdefault(tags, {}).setdefault(stem, name) != name:
                ambiguous.add(tags)
    return {tags: by_stem for tags, by_stem in names_by_stem.items() if tags not in ambiguous}


def without_tags(name: str, words: str) -> dict[Tags, str]:
    """The stems of a name: what is left without some of its tags, by these tags; () is the name itself.

    A tag that a name has twice is removed at its first place, and under ("last", tag) at its last.
    """
    name = normalize("NFC", name)
    spans = list(_tag_spans(name, words))
    stems: dict[Tags, str] = {}
    for count in range(min(len(spans), MAX_TAGS) + 1):
        for chosen in combinations(spans, count):
            if all(before[1] <= after[0] for before, after in pairwise(chosen)):
                stem = name
                for start, end in reversed(chosen):
                    stem = _remove_tag(stem, start, end)
                tags = tuple(name[start:end].casefold() for start, end in chosen)
                if stem:
                    stems.setdefault(tags, stem.casefold())
                    if tags:
                        stems[("last", *tags)] = stem.casefold()
    return stems


def _tag_spans(name: str, words: str) -> Iterator[tuple[int, int]]:
    """(start, end) of the tags in a name: whole words, and scales, which may follow a word directly."""
    for pattern in _tag_patterns(words):
        for match in pattern.finditer(name):
            start, end = match.span(1)
            before, first = name[start - 1 : start], name[start]
            if pattern is _SCALE_PATTERN:
                is_start = not (before.isdigit() and first.isdigit())
            else:
                is_start = not before.isalpha() or (before.islower() and first.isupper())
            if is_start:
                yield start, end


_SCALE_PATTERN = re.compile(rf"(?=({SCALE_TAG})(?![^\W_]))", re.IGNORECASE)


@cache
def _tag_patterns(words: str) -> list[re.Pattern[str]]:
    """Patterns of tags: words, words with numbers, scales."""
    longest_first = "|".join(sorted(words.split(), key=len, reverse=True))
    tags = [longest_first, NUMBERED_TAG] if words is DEGRADED_TAGS else [longest_first]
    end = r"(?:(?=x\d)|(?![^\W\d_]))(?!(?<=\d)\d)"  # a scale may follow directly, as in LRx2
    return [*(re.compile(f"(?=({tag}){end})", re.IGNORECASE) for tag in tags), _SCALE_PATTERN]


def _tags(name: str, words: str) -> set[str]:
    return {name[start:end].casefold() for start, end in _tag_spans(name, words)}


def _without_affixes(name: str) -> Iterator[tuple[str, str]]:
    """(affix, rest) of a name without a prefix or a suffix, at every border of a word."""
    yield "", name
    for match in re.finditer(r"[\W_]+", name):
        if name[: match.start()]:
            yield "{}" + name[match.start() :].casefold(), name[: match.start()]
        if name[match.end() :]:
            yield name[: match.end()].casefold() + "{}", name[match.end() :]


def _remove_tag(name: str, start: int, end: int) -> str:
    """A name without the tag from `start` to `end`, and without its separator.

    >>> _remove_tag("0001_GT_SRGB", 5, 7), _remove_tag("GT_1", 0, 2)
    ('0001_SRGB', '1')
    >>> _remove_tag("a/blur/1", 2, 6), _remove_tag("1x2", 1, 3)
    ('a/1', '1')
    """
    left, right = name[:start].rstrip("_-. /"), name[end:].lstrip("_-. /")
    separators = name[len(left) : start] + name[end : len(name) - len(right)]
    separator = "/" if "/" in separators else separators[:1] or "_"
    return separator.join((left, right)) if left and right else left or right
