"""The page of a search: what it recommends, draws, lists and escapes."""

from pathlib import Path

import pytest

from lossmith.report import TuningContents, write_tuning

from .tuning_example import search_example


@pytest.fixture(scope="module")
def contents() -> TuningContents:
    return search_example()


@pytest.fixture(scope="module")
def page(contents: TuningContents, tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("tuning") / "report.html"
    write_tuning(path, contents)
    return path.read_text("utf-8")


def test_every_member_has_its_expression_to_paste(contents: TuningContents, page: str) -> None:
    assert contents.members
    for member in contents.members:
        assert f"<code>{member.loss}</code>" in page
