"""What modules and options were once called stands nowhere but in the changelog and the table of old names."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import lossmith
from lossmith.core.legacy import OPTIONS

ROOT = Path(__file__).parents[1]
PACKAGE = Path(lossmith.__file__).parent
SEARCH_PATHS = (
    "src",
    "docs",
    "examples",
    "benchmarks",
    "README.md",
    "CONTRIBUTING.md",
    "Makefile",
    "pyproject.toml",
)
SUFFIXES = (".py", ".md", ".yaml", ".toml", ".html", ".js", ".css", "")
TABLE = PACKAGE / "core" / "legacy.py"

OLD_MODULES = {
    "": "errors files lock stopping devices progress_bar tensor_files pickles origin settings_file checkpoints "
    "images learning room state_dicts spandrel_models other_words foreign_files",
    "training": "stopwatch state_file chance configuration stream lesson fit course learner attempt average rate "
    "judged upper_hand contest keeper album examiner events journal progress lookout rehearsal folder confined "
    "crew follower place together init picture_optimizer",
    "degradations": "eight_bit catalogue chain",
    "expressions": "reading calling spelling",
    "losses": "catalogue fixed known_gradient spectrum similarity windows features layer_names tapping minc "
    "backbones weights style contextual_products contextual lpips dists discriminative discriminative_network "
    "discriminative_frozen loss_file mdf_pickle transforms",
    "networks": "critic critics vgg_critic unet_critic layouts interpolation",
    "exporting": "onnx_graph naming openers card",
    "evaluation": "fidelity structure filtering information laplacian iw_ssim gmsd fsim phase_congruency "
    "deep grid bootstrap trained_on restoring tables",
    "restoration": "opening planes halves kept_memory verifying decoding encoding png tiff raster reach footprint "
    "sweep plan tiles applied outcome carrying exif formats geo metadata metadata_readers profiles vips xmp "
    "rgb_module",
    "report": "contents exhibits spots numbers verdict_line page blend learned restored",
}
"""By room: modules that were renamed, moved or merged. `images` and `learning` were rooms of many."""


def old_modules() -> Iterator[str]:
    for room, names in OLD_MODULES.items():
        yield from (f"{room}.{name}" if room else name for name in names.split())


def texts() -> dict[str, str]:
    """The contents of every text file that is searched, by its path."""
    places = [ROOT / place for place in SEARCH_PATHS]
    files = [file for place in places for file in ([place] if place.is_file() else sorted(place.rglob("*")))]
    return {
        str(file.relative_to(ROOT)): file.read_text(encoding="utf-8")
        for file in files
        if file.is_file() and file.suffix in SUFFIXES and file != TABLE
    }


TEXTS = texts()


def occurrences(pattern: str) -> list[str]:
    """Every match with its file and line."""
    return [
        f"{path}:{text.count(chr(10), 0, match.start()) + 1}: {match[0]}"
        for path, text in TEXTS.items()
        for match in re.finditer(pattern, text)
    ]


def test_the_search_finds_what_is_there() -> None:
    assert occurrences(r"lossmith\.core\.files\b")
    assert any(occurrence.startswith("README.md:") for occurrence in occurrences("--degradation"))


def test_old_modules_are_gone() -> None:
    paths = [PACKAGE.joinpath(*module.split(".")) for module in old_modules()]
    assert not [path for path in paths if path.with_suffix(".py").exists() or [*path.glob("*.py")]]


def test_no_text_names_an_old_module() -> None:
    pattern = "|".join(re.escape(module) for module in old_modules())
    files = "|".join(module.replace(".", "/") for module in old_modules() if "." in module)
    assert not occurrences(
        rf"(?<![\w.])lossmith\.(?:{pattern})\b|(?<![\w/])(?:(?:src/)?lossmith/)?(?:{files})\.py\b"
    )


@pytest.mark.parametrize("option", sorted(OPTIONS))
def test_no_text_names_an_old_option(option: str) -> None:
    assert not occurrences(rf"(?<![\w-])--{option}(?![\w-])")
