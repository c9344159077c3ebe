"""Which names belong together: of clean images and degraded ones, of targets and results.

Names are without their endings, with `/` between folders. The field marks them by tags such as `_HR` and `_LR2`,
and what is left without them tells which belong together. A convention is what all names bear. The one that they
follow is always among those that are tried; where another fits as well and pairs them differently, none is taken.
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
"""Of degraded images: LR2, noise25, jpeg_10."""
SCALE_TAG = r"x\d{1,2}(?:[mwd]\d?)?|\d{1,2}x"
"""Often right behind the name: babyx4, 0001x4m. DIV2K's are mild, wild and difficult."""
MAX_TAGS = 3
"""Tags that are looked for in a name."""

Pairing = dict[str, str]
Tags = tuple[str, ...]


def match_names(clean: Sequence[str], degraded: Sequence[str]) -> Pairing | None:
    """{clean: degraded} of all names, or None where they do not say it beyond doubt.

    >>> match_names(["a_HR", "b_HR"], ["bx2", "ax2"])
    {'a_HR': 'ax2', 'b_HR': 'bx2'}
    >>> match_names(["a", "b"], ["a", "c"])
    """
    if set(clean) == set(degraded):
        return {name: name for name in clean}
    return _unanimous(
        {left[rest]: right[rest] for rest in left}
        for left in _common_conventions(clean, CLEAN_TAGS)
        for right in _common_conventions(degraded, DEGRADED_TAGS)
        if left.keys() == right.keys()
    )


def match_names_in_one_folder(names: Sequence[str]) -> Pairing | None:
    """{clean: degraded} of names that lie in one folder, every one of them marked as the one or the other.

    >>> match_names_in_one_folder(["1_GT", "1_NOISY", "2_GT", "2_NOISY"])
    {'1_GT': '1_NOISY', '2_GT': '2_NOISY'}
    """
    ways = (
        {left[rest]: right[rest] for rest in left}
        for tags, left in _names_by_stem(names, CLEAN_TAGS).items()
        for others, right in _names_by_stem(names, DEGRADED_TAGS).items()
        if tags and others and left.keys() == right.keys()
    )
    return _unanimous(way for way in ways if sorted([*way, *way.values()]) == sorted(names))


def match_results_to_targets(targets: Sequence[str], results: Sequence[str]) -> Pairing | None:
    """{target: result} of the same names, or of results with a beginning or end that all of them have.

    Results may be missing, and others may lie among them: what matches most counts, and must be most of them.

    >>> match_results_to_targets(["baby", "bird", "head"], ["baby_x4_SwinIR", "bird_x4_SwinIR"])
    {'baby': 'baby_x4_SwinIR', 'bird': 'bird_x4_SwinIR'}
    """
    same = {name: name for name in targets if name in set(results)}
    known = {
        tags: rests for tags, rests in _names_by_stem(targets, CLEAN_TAGS).items() if len(rests) == len(targets)
    }
    ways: dict[tuple[str, Tags, Tags], Pairing] = {}
    twice = set()
    for result in results:
        for affix, stem in _without_affixes(result):
            for others, rest in without_tags(stem, DEGRADED_TAGS).items():
                for tags, rests in known.items():
                    if rest in rests:
                        way = (affix, tags, others)
                        if ways.setdefault(way, {}).setdefault(rests[rest], result) != result:
                            twice.add(way)
    one_to_one = [pairing for way, pairing in ways.items() if way not in twice]
    most = max(map(len, one_to_one), default=0)
    if same and len(same) >= most:
        return same
    few = min(len(targets), len(results))
    if most < few and 2 * most <= few:
        return None
    return _unanimous(pairing for pairing in one_to_one if len(pairing) == most)


def conflicting_scale(clean: str, degraded: str, scale: int) -> int | None:
    """The scale that the name of a degraded image gives, where it is another and the clean one's does not.

    >>> conflicting_scale("0001", "0001x4m", 2), conflicting_scale("0001", "0001x4m", 4)
    (4, None)
    >>> conflicting_scale("1_HR_x2", "1_LR_x2", 3)
    """
    here, there = (_tags(name, DEGRADED_TAGS) for name in (degraded, clean))
    said = [re.fullmatch(r"(lr_?|x)?(\d+)([mwd]\d?|x)?", tag) for tag in here - there]
    # RealSR's LR4 are as large as their HR
    given = {int(each[2]) for each in said if each and not (scale == 1 and (each[1] or "").startswith("lr"))}
    return given.pop() if len(given) == 1 and scale not in given else None


def parse_pair(text: str) -> tuple[str, str]:
    """The two sides of what a user says of names: "{}_HR:{}_LR2".

    Raises LossmithError for anything else.
    """
    sides = [re.sub(r"(?<=.)\.[a-zA-Z]{3,4}$", "", side) for side in text.split(":")]  # endings tell nothing
    holes = [side.count("{}") for side in sides]
    if len(sides) != 2 or not holes[0] or holes[0] != holes[1]:
        raise LossmithError(
            f"--pair takes two names with {{}} for what they share, such as \"{{}}_HR:{{}}_LR2\", not '{text}'"
        )
    return sides[0], sides[1]


def match_pattern(pattern: str, names: Iterable[str]) -> Pairing:
    """{what stands for {}: the name} of the names that are as a pattern says, in either case.

    Raises LossmithError where two names are one.

    >>> match_pattern("{}_HR", ["1_HR", "2_hr", "3_LR"])
    {'1': '1_HR', '2': '2_hr'}
    """
    literal = "(.+?)".join(map(re.escape, normalize("NFC", pattern).split("{}")))
    found: Pairing = {}
    for name in names:
        match = re.fullmatch(literal, normalize("NFC", name), re.IGNORECASE | re.DOTALL)
        if match and (other := found.setdefault("\0".join(match.groups()).casefold(), name)) != name:
            raise LossmithError(f"'{other}' and '{name}' are one under '{pattern}'; remove one")
    return found


def suggest_pair(first: str, second: str) -> str:
    """How two names would be said to belong together.

    >>> suggest_pair("baby_a", "baby_b.small")
    '{}_a:{}_b.small'
    >>> suggest_pair("1_clear", "1_cloudy")
    '{}_clear:{}_cloudy'
    """
    block = SequenceMatcher(None, first, second, autojunk=False).find_longest_match()
    shared = first[block.a : block.a + block.size]
    if any(re.match("[a-z]", name[start + block.size :]) for name, start in ((first, block.a), (second, block.b))):
        shared = re.sub("[a-zA-Z]+$", "", shared)  # 1_cl, of 1_clear and 1_cloudy, ends within a word
    shared = re.sub(r"^[\W_]+|[\W_]+$", "", shared)
    return f"{first.replace(shared, '{}', 1)}:{second.replace(shared, '{}', 1)}" if shared else ""


def _unanimous(ways: Iterable[Pairing]) -> Pairing | None:
    """The way that all are, if there is any."""
    found = None
    for way in ways:
        if found is not None and way != found:
            return None
        found = way
    return found


def _common_conventions(names: Sequence[str], words: str) -> list[Pairing]:
    """For each set of tags that all names bear: the names by what is left of them."""
    return [by_rest for by_rest in _names_by_stem(names, words).values() if len(by_rest) == len(names)]


def _names_by_stem(names: Iterable[str], words: str) -> dict[Tags, Pairing]:
    """For each set of tags: the names that bear it, by what is left of them; none where two are left the same."""
    found: dict[Tags, Pairing] = {}
    twice = set()
    for name in names:
        for tags, rest in without_tags(name, words).items():
            if found.setdefault(tags, {}).setdefault(rest, name) != name:
                twice.add(tags)
    return {tags: by_rest for tags, by_rest in found.items() if tags not in twice}


def without_tags(name: str, words: str) -> dict[Tags, str]:
    """What is left of a name without some of its tags, by the tags; without any, the name itself.

    A tag that a name bears twice is taken away at its first place or, named so, at its last.
    """
    name = normalize("NFC", name)
    spans = list(_tag_spans(name, words))
    found: dict[Tags, str] = {}
    for count in range(min(len(spans), MAX_TAGS) + 1):
        for chosen in combinations(spans, count):
            if all(before[1] <= after[0] for before, after in pairwise(chosen)):
                rest = name
                for start, end in reversed(chosen):
                    rest = _remove_tag(rest, start, end)
                tags = tuple(name[start:end].casefold() for start, end in chosen)
                if rest:
                    found.setdefault(tags, rest.casefold())
                    if tags:
                        found[("last", *tags)] = rest.casefold()
    return found


def _tag_spans(name: str, words: str) -> Iterator[tuple[int, int]]:
    """Where tags stand: words from one border to another, and scales, also right behind something."""
    for kind in _tag_patterns(words):
        for match in kind.finditer(name):
            start, end = match.span(1)
            before, here = name[start - 1 : start], name[start]
            if kind is _SCALE_PATTERN:
                begins = not (before.isdigit() and here.isdigit())
            else:
                begins = not before.isalpha() or (before.islower() and here.isupper())
            if begins:
                yield start, end


_SCALE_PATTERN = re.compile(rf"(?=({SCALE_TAG})(?![^\W_]))", re.IGNORECASE)


@cache
def _tag_patterns(words: str) -> list[re.Pattern[str]]:
    """What may stand at any place of a name: words, words with numbers, scales."""
    longest_first = "|".join(sorted(words.split(), key=len, reverse=True))
    kinds = [longest_first, NUMBERED_TAG] if words is DEGRADED_TAGS else [longest_first]
    end = r"(?:(?=x\d)|(?![^\W\d_]))(?!(?<=\d)\d)"  # a scale may follow at once, as in LRx2
    return [*(re.compile(f"(?=({kind}){end})", re.IGNORECASE) for kind in kinds), _SCALE_PATTERN]


def _tags(name: str, words: str) -> set[str]:
    return {name[start:end].casefold() for start, end in _tag_spans(name, words)}


def _without_affixes(name: str) -> Iterator[tuple[str, str]]:
    """A name without a beginning or an end, by what was cut away."""
    yield "", name
    for match in re.finditer(r"[\W_]+", name):
        if name[: match.start()]:
            yield "{}" + name[match.start() :].casefold(), name[: match.start()]
        if name[match.end() :]:
            yield name[: match.end()].casefold() + "{}", name[match.end() :]


def _remove_tag(name: str, start: int, end: int) -> str:
    """A name without a tag and what joins it to the rest.

    >>> _remove_tag("0001_GT_SRGB", 5, 7), _remove_tag("GT_1", 0, 2)
    ('0001_SRGB', '1')
    >>> _remove_tag("a/blur/1", 2, 6), _remove_tag("1x2", 1, 3)
    ('a/1', '1')
    """
    left, right = name[:start].rstrip("_-. /"), name[end:].lstrip("_-. /")
    gap = name[len(left) : start] + name[end : len(name) - len(right)]
    joint = "/" if "/" in gap else gap[:1] or "_"
    return joint.join((left, right)) if left and right else left or right
