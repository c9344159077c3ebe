"""Tables of people's scores: what is read, and what is refused in a sentence."""

import logging
from pathlib import Path

import pytest
import torch

from lossmith.core.errors import LossmithError
from lossmith.core.files import sha256_of
from lossmith.data import write_image
from lossmith.studies.benchmarks.similarity import Similarity
from lossmith.studies.benchmarks.similarity.table import RatedPictures


def opened(folder: Path, table: str, sizes: dict[str, int] | None = None) -> RatedPictures:
    """A table with the pictures a to f, 8 pixels wide unless told otherwise."""
    for name in "abcdef":
        write_image(folder / "pictures" / f"{name}.png", torch.rand(3, 8, (sizes or {}).get(name, 8)))
    (folder / "scores.csv").write_text(table.replace(".", "pictures/").replace("|", ".png"), encoding="utf-8")
    data = Similarity().open(folder, "small")
    assert isinstance(data, RatedPictures)
    return data


def rows(*lines: str, column: str = "score") -> str:
    """A table of pictures by letter: "ab 3" is distorted b of reference a with the score 3."""
    table = [f"distorted,reference,{column},kind"]
    for line in lines:
        letters, _, rest = line.partition(" ")
        score, _, kind = rest.partition(" ")
        table.append(f".{letters[1:]}|,.{letters[0]}|,{score},{kind}")
    return "\n".join(table)


@pytest.mark.parametrize(("column", "sign"), [("score", 1), ("mos", 1), ("dmos", -1)])
def test_quality_is_higher_for_better_pictures(column: str, sign: int, tmp_path: Path) -> None:
    data = opened(tmp_path, rows("ab 3", "ac 4", "de 5", column=column))
    assert [picture.quality for picture in data.pictures] == [3 * sign, 4 * sign, 5 * sign]
    assert [picture.reference.stem for picture in data.pictures] == ["a", "a", "d"]
    assert [picture.distorted.stem for picture in data.pictures] == ["b", "c", "e"]


def test_spaces_around_names_of_columns_do_not_matter(tmp_path: Path) -> None:
    table = rows("ab 3", "ac 4", "de 5").replace("distorted,reference,score,", " distorted , reference , score , ")
    assert [picture.quality for picture in opened(tmp_path, table).pictures] == [3, 4, 5]


def test_the_fingerprint_is_of_the_table_and_its_pictures(tmp_path: Path) -> None:
    data = opened(tmp_path, rows("ab 3", "ac 4", "ad 5"))
    files = ["scores.csv", *(f"pictures/{name}.png" for name in "abcd")]
    assert data.fingerprint == {file: sha256_of(tmp_path / file) for file in files}


def test_pictures_without_a_score_are_left_out_with_a_remark(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        data = opened(tmp_path, rows("ab 3", "ac", "ad 4", "ae 5 jpeg", "af 6 jpeg"))
    assert [picture.kind for picture in data.pictures] == ["", "", "jpeg", "jpeg"]
    assert "scores.csv: 1 line without a score left out" in caplog.text


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            f'reference,distorted,score\n"{"a" * 200_000}"',
            "scores.csv cannot be read as CSV after line 1: field larger",
        ),
        (rows("ab 3", "ag 4", "ac 5"), "scores.csv, line 3: there is no picture 'pictures/g.png' in"),
        (rows("ab 3", "ac 4", "ad x"), "scores.csv, line 4: the score 'x' is not a number; leave it empty if"),
        (rows("ab 3", "ac nan", "ad 2"), "scores.csv, line 3: the score 'nan' is not a number"),
        (rows("ab 3", "ac 4"), "scores.csv has 2 pictures with scores; a correlation needs 3 or more"),
        (rows("ab 3", "ac", "ad 4"), "scores.csv has 2 pictures with scores"),
        (rows("ab 3", "ac 3", "ad 3"), "scores.csv gives all pictures the same score"),
        (rows("ab 3 x", "ac 4 x", "ad 5 y"), "has one picture of the kind 'y', and a correlation within it needs"),
        (rows("ab 3 low", "ac 4 low", "ad 5"), "a kind must not be called 'low'"),
        ("reference,score\n.a|,3", "scores.csv lacks the column 'distorted'; its first line must be 'reference,"),
        (
            "reference;distorted;score\n.a|;.b|;3\n",
            "scores.csv separates its columns by semicolons; save it with commas",
        ),
        (rows("ab 3", f"a{'b' * 5000} 4"), "scores.csv, line 3: there is no picture 'pictures/b"),
        (
            rows("ab 3", "ac 4", "ab 5"),
            "scores.csv, line 4: 'b.png' has a score on line 2 already; leave one line",
        ),
        ("", "scores.csv lacks the column 'reference'"),
        (rows("ab 3", column="quality"), "scores.csv has 0 columns of scores; its first line must be"),
        ("reference,distorted,mos,dmos\n", "scores.csv has 2 columns of scores"),
        ("reference,distorted,score\n.a|\n", "scores.csv has 0 pictures with scores"),
        (
            "reference,distorted,score\n,.b|,3\n",
            "scores.csv, line 2: the column 'reference' is empty; name a picture",
        ),
    ],
)
def test_bad_tables_are_refused_in_a_sentence(table: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(LossmithError) as error:
        opened(tmp_path, table)
    assert message in str(error.value)


def test_pictures_of_another_size_than_their_reference_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LossmithError, match=r"line 3: 'c.png' has 9x8 pixels and its reference 8x8"):
        opened(tmp_path, rows("ab 3", "ac 4", "ad 5"), {"c": 9})


def test_a_folder_without_judgements_or_with_several_tables_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        LossmithError, match="holds no judgements of people; put a CSV file there with lines such as"
    ):
        Similarity().open(tmp_path, "tiny")
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).touch()
    with pytest.raises(LossmithError, match=r"several tables, a.csv, b.csv; leave only the one"):
        Similarity().open(tmp_path, "tiny")
