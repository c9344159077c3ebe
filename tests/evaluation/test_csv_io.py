"""Rows go into a CSV file and come out the same."""

import csv
import math

import pytest

from lossmith.core.errors import LossmithError
from lossmith.evaluation.csv_io import read_csv, write_csv
from lossmith.evaluation.protocol import Protocol
from lossmith.evaluation.results import Row

ROWS = [
    Row("baby.png", "0.84*ms_ssim + 0.16*l1", 0, {"psnr": 100 / 3, "ssim": 0.1 + 0.2}),
    Row('strange, "name"\nin two lines.png', "l1", 7, {"psnr": 1e-17}),
    Row("ブタ.png", "degraded", 0, {"gmsd": -0.0}),
    Row("empty.png", "l1", 0, {}),
]


def test_csv_rows_round_trip_exactly(tmp_path):
    write_csv(tmp_path / "rows.csv", ROWS, Protocol())
    assert read_csv(tmp_path / "rows.csv") == ROWS


def test_nan_and_infinity_round_trip(tmp_path):
    write_csv(tmp_path / "rows.csv", [Row("a", "l1", 0, {"psnr": math.inf, "ssim": math.nan})], "")
    [row] = read_csv(tmp_path / "rows.csv")
    assert row.scores["psnr"] == math.inf
    assert math.isnan(row.scores["ssim"])


def test_every_csv_line_names_the_protocol(tmp_path):
    write_csv(tmp_path / "rows.csv", ROWS, Protocol("y", 4))
    with (tmp_path / "rows.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert list(lines[0]) == ["image", "method", "seed", "protocol", "psnr", "ssim", "gmsd"]
    assert {line["protocol"] for line in lines} == {str(Protocol("y", 4))}


def test_a_table_without_rows_is_written(tmp_path):
    write_csv(tmp_path / "rows.csv", [], Protocol())
    assert read_csv(tmp_path / "rows.csv") == []


def test_the_csv_file_is_written_atomically(tmp_path, monkeypatch):
    path = tmp_path / "rows.csv"
    write_csv(path, ROWS[:1], Protocol())

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full_disk)
    with pytest.raises(LossmithError, match="No space left on device"):
        write_csv(path, ROWS, Protocol())
    assert read_csv(path) == ROWS[:1]
    assert [file.name for file in tmp_path.iterdir()] == ["rows.csv"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("image,method,seed\n", "the column 'protocol' is missing"),
        ("", "the column 'image' is missing"),
        ("image,method,seed,protocol,psnr\na,l1,0,RGB,30\na,l1,one,RGB,30\n", "line 3: every seed and score"),
        ("image,method,seed,protocol,psnr\na,l1,0,RGB,good\n", "line 2: every seed and score must be a number"),
        ("image,method,seed,protocol,psnr\na,l1,0\n", "line 2: "),
        (b"\xff\xfe", "it is not text"),
    ],
)
def test_files_that_are_not_tables_are_refused(content, complaint, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(LossmithError, match=complaint):
        read_csv(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(LossmithError, match=r"cannot read .*rows.csv: No such file"):
        read_csv(tmp_path / "rows.csv")


def test_a_metric_cannot_be_called_seed(tmp_path):
    with pytest.raises(LossmithError, match="must not be called 'seed'"):
        write_csv(tmp_path / "rows.csv", [Row("a", "l1", 0, {"seed": 1.0})], Protocol())
