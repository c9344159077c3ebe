"""What the documentation shows exists: links, files, commands with their options; and its Python runs."""

import pkgutil
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from importlib.util import module_from_spec, spec_from_file_location
from io import StringIO
from pathlib import Path

import pytest
import torch

import lossmith
from lossmith.cli import run

ROOT = Path(__file__).parents[1]
PACKAGE = Path(lossmith.__file__).parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
TEXTS = {str(page.relative_to(ROOT)): page.read_text(encoding="utf-8") for page in PAGES}
CURRENT = [name for name in TEXTS if name != "CHANGELOG.md"]
"""The pages that tell of today. The changelog may name what is gone."""

EVERYWHERE = {"--config", "--device", "--help", "--preset"}
TRAINS = re.compile(r"\.(compare|tune|judge|study|train|learn_loss|restore|evaluate)\(")
"""What makes a block of code too long to run: it is compiled only."""


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def links() -> Iterator[tuple[str, str]]:
    for name, text in TEXTS.items():
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if not re.match(r"https?:", target):
                yield name, target


@pytest.mark.parametrize(("page", "target"), sorted(set(links())))
def test_a_link_leads_to_a_file_and_its_heading(page: str, target: str) -> None:
    path, _, anchor = target.partition("#")
    file = (ROOT / page).parent / path if path else ROOT / page
    assert file.exists()
    if anchor:
        assert anchor in anchors(file.read_text(encoding="utf-8"))


def test_every_page_is_reached_from_the_readme() -> None:
    visited, ahead = set(), ["README.md"]
    while ahead:
        page = ahead.pop()
        visited.add(page)
        targets = [
            ((ROOT / page).parent / target.partition("#")[0]).resolve() for at, target in links() if at == page
        ]
        names = [str(path.relative_to(ROOT)) for path in targets if path.suffix == ".md"]
        ahead += [name for name in names if name not in visited and name in TEXTS]
    assert not {name for name in TEXTS if name.startswith("docs/")} - visited


@pytest.mark.parametrize("page", CURRENT)
def test_files_of_the_repository_that_a_page_names_exist(page: str) -> None:
    paths = re.findall(r"\b(?:benchmarks|tests|examples|docs|tools)/[\w/.-]*\w\.(?:py|yaml|md|cu)\b", TEXTS[page])
    assert not [path for path in paths if not (ROOT / path).exists()]


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_modules_and_rooms_that_a_page_names_exist(page: str) -> None:
    rooms = [path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()]
    modules = re.findall(rf"(?<![\w/])((?:{'|'.join(rooms)})/[\w/]*(?:\.py)?)", TEXTS[page])
    assert len(modules) > 20
    assert not [path for path in modules if not (PACKAGE / path).exists()]


@pytest.mark.parametrize("page", CURRENT)
def test_names_of_the_package_that_a_page_gives_exist(page: str) -> None:
    for name in set(re.findall(r"\blossmith(?:\.[A-Za-z_]\w*)+", TEXTS[page])):
        assert pkgutil.resolve_name(name) is not None, name


def code(text: str) -> str:
    """The code of a page: indented and fenced blocks, and spans, each on a line of its own."""
    blocks = re.findall(r"^```\w*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    lines = re.findall(r"^    (.+)$", re.sub(r"\\\n\s*", "", text), re.MULTILINE)
    spans = [" ".join(span.split()) for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", text)]
    return "\n".join([*(part.replace("\\\n", " ") for part in blocks), *lines, *spans])


def commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """The commands of lossmith that a page shows, with the options of each."""
    for line in code(text).splitlines():
        for command, arguments in re.findall(r"(?<![\w/.-])lossmith ([a-z][a-z-]*)\b([^|;&#]*)", line):
            yield command, re.findall(r"(?<![\w-])--[a-z][a-z-]*", arguments)


OUTPUTS = sorted(
    {(command, option) for name in CURRENT for command, options in commands(TEXTS[name]) for option in options}
)


@pytest.fixture(scope="session")
def options_of() -> dict[str, set[str]]:
    """The options of every command, from its help."""
    helps = {}
    for command in sorted({command for command, _ in OUTPUTS}):
        with redirect_stdout(StringIO()) as out:
            assert run([command, "--help"]) == 0
        helps[command] = {*re.findall(r"--[a-z][a-z-]*", out.getvalue()), *EVERYWHERE}
    return helps


@pytest.mark.parametrize(("command", "option"), OUTPUTS)
def test_an_option_that_a_page_shows_is_one_of_its_command(
    command: str, option: str, options_of: dict[str, set[str]]
) -> None:
    assert option in options_of[command]


def test_the_reference_of_the_command_line_has_every_option() -> None:
    specification = spec_from_file_location("cli_reference", ROOT / "tools" / "cli_reference.py")
    assert specification is not None
    assert specification.loader is not None
    cli_reference = module_from_spec(specification)
    specification.loader.exec_module(cli_reference)
    options = re.compile(r"^(?:## .+|\* `[^`]+`)", re.MULTILINE)
    assert options.findall(TEXTS["docs/cli.md"]) == options.findall(cli_reference.reference()), "run `make docs`"


def python_blocks() -> dict[str, list[str]]:
    """The fenced Python of each page."""
    blocks = {
        name: re.findall(r"^```python\n(.*?)^```$", TEXTS[name], re.MULTILINE | re.DOTALL) for name in CURRENT
    }
    return {name: parts for name, parts in blocks.items() if parts}


BLOCKS = python_blocks()
QUOTING = "docs/extending.md"
"""The page whose code is that of the examples, which have tests of their own."""


@pytest.mark.parametrize("page", sorted({*BLOCKS} - {QUOTING}))
def test_the_python_of_a_page_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    names: dict[str, object] = {"__name__": page}
    for part in BLOCKS[page]:
        compiled = compile(part, page, "exec")
        if not TRAINS.search(part):
            exec(compiled, names)


def test_the_code_that_a_page_quotes_is_that_of_the_examples() -> None:
    examples = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "examples").glob("*.py"))
    assert not [part for part in BLOCKS[QUOTING] if part not in examples]
