"""The command line: help, options from YAML, output, log messages, completion."""

import json
import logging
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lossmith.cli import run

from .command_line import QUICK, refusal


def test_losses_lists_the_catalog_with_sources(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["losses"]) == 0
    entries = {entry.partition("\n")[0]: entry for entry in capsys.readouterr().out.split("\n\n")}
    assert entries.keys() >= {"l1", "charbonnier", "ms_ssim_sigmas", "mix"}
    assert "Lai et al. 2017" in entries["charbonnier"]
    assert "at least 161 x 161 pixels" in entries["ms_ssim"]


@pytest.mark.parametrize("command", ["compare", "train", "evaluate"])
def test_help_names_every_option_with_its_meaning(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, "--help"]) == 0
    out = capsys.readouterr().out
    expected = {
        "compare": ("IMAGES", "--losses", "--degradation", "--steps", "--minutes", "--seeds", "--test", "--out"),
        "train": ("IMAGES", "--loss", "--network", "--seed", "--ema", "--precision"),
        "evaluate": ("SUBJECT", "--test", "--color", "--border"),
    }
    for option in expected[command]:
        assert option in out, option


def test_compare_writes_its_tables_and_prints_the_verdict_and_the_report(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["compare", photos, "--degradation", "noise(25)", "--losses", "l1", "0.5*l2 + 0.5*tv", *QUICK]
    assert run([str(word) for word in [*words, "--seeds", "1", "--out", out]]) == 0
    output = capsys.readouterr().out
    assert str(out / "report.html") in output
    for name in ("report.html", "results.csv", "results.json", "compare.yaml"):
        assert (out / name).is_file(), name


def results(out: Path) -> dict[str, Any]:
    """What a tournament wrote down."""
    return dict(json.loads((out / "results.json").read_text(encoding="utf-8")))


def test_options_come_from_a_yaml_file_and_the_command_line_wins(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "study.yaml"
    config.write_text(
        f"images: ['{photos}']\ndegradation: noise(25)\nloss: l2\nsteps: 3\nbatch: 2\npatch: 32\n"
        "network: srresnet_small(features=8, blocks=1)\n"
    )
    out = tmp_path / "run"
    assert run(["train", "--config", str(config), "--out", str(out), "--steps", "2"]) == 0
    config_text = (out / "run.yaml").read_text()
    assert "loss: l2" in config_text
    assert "steps: 2" in config_text
    capsys.readouterr()
    config.write_text(f"images: '{photos}'\nlosses: l1\nsteps: 2\nbatch: 2\npatch: 32\nseeds: 1\n")
    assert run(["compare", f"--config={config}", "--out", str(tmp_path / "one")]) == 0
    assert [entry["loss"] for entry in results(tmp_path / "one")["losses"]] == ["l1"]
    capsys.readouterr()


def test_an_option_value_may_begin_with_minus(photos: Path, tmp_path: Path) -> None:
    words = ["compare", photos, *QUICK, "--seeds", "1", "--out", tmp_path / "out"]
    assert run([*map(str, words), "--losses", "l1", "-0.5*l1 + 2*l2"]) == 0
    assert [entry["loss"] for entry in results(tmp_path / "out")["losses"]] == ["l1", "-0.5*l1 + 2*l2"]


def test_evaluate_scores_a_model_and_a_folder_of_results(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert run([str(w) for w in ["train", photos, "--degradation", "noise(25)", *QUICK, "--out", out]]) == 0
    capsys.readouterr()
    assert run(["evaluate", str(out / "model.safetensors"), "--test", str(photos)]) == 0
    table = capsys.readouterr().out
    assert "degraded" in table
    assert "PSNR" in table
    assert "RGB, no crop, rounded to 8 bits" in table
    words = ["evaluate", str(photos), "--test", str(photos), "--color", "y", "--border", "3", "--out"]
    assert run([*words, str(tmp_path / "scores.csv")]) == 0
    rows = (tmp_path / "scores.csv").read_text().splitlines()[1:]
    assert [row.split(",")[0] for row in rows] == [path.stem for path in sorted(photos.iterdir())]
    assert "Y (BT.601 studio swing), 3 px cropped" in capsys.readouterr().out


def test_own_pairs_are_matched_by_name(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(photos, tmp_path / "damaged")
    words = ["train", "--clean", photos, "--degraded", tmp_path / "damaged", *QUICK, "--out", tmp_path / "run"]
    assert run([str(word) for word in words]) == 0
    assert "degradation: pairs of damaged" in (tmp_path / "run" / "run.yaml").read_text()
    capsys.readouterr()
    (tmp_path / "damaged" / "3.png").unlink()
    assert "no partner" in refusal([*words[:-1], tmp_path / "again"], capsys)


@pytest.mark.parametrize(
    ("command", "expressions"),
    [
        ("train", ["0.01*tv", "esrgan + 0.01*l1", "20*mdf(sr)"]),
        ("tune", ["l1 + W*features(squeezenet1_1, fire5) + V*tv"]),
    ],
)
def test_help_shows_the_asterisks_of_expressions(
    command: str, expressions: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([command, "--help"]) == 0
    help_text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for expression in expressions:
        assert expression in help_text


def test_help_names_options_where_docstrings_name_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "--help"]) == 0
    help_text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "instead of IMAGES and --degradation." in help_text
    assert "that belong to --test, when --clean and --degraded are given." in help_text


def test_what_is_logged_is_printed_with_options_while_a_command_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def command(*_: object, **__: object) -> None:
        logging.getLogger("lossmith.data").info("without `recursive`")

    monkeypatch.setattr("lossmith.cli.app", command)
    command()
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("lossmith.cli._translate", lambda words: None)
    assert run(["train"]) == 0
    assert capsys.readouterr().err.startswith("lossmith: without ")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_installed_and_knows_commands_and_options(
    shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert run(["--install-completion", "--shell", shell]) == 0
    (script,) = (path for path in tmp_path.rglob("*lossmith*") if path.is_file())
    text = script.read_text(encoding="utf-8")
    assert "learn-loss" in text
    assert "learning-rate" in text


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("words", "completion"),
    [(["tr"], "train"), (["train", "--degrada"], "--degradation"), (["restore", "--verif"], "--verify")],
)
def test_bash_completes_a_word(
    words: list[str], completion: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert run(["--install-completion", "--shell", "bash"]) == 0
    (script,) = (path for path in tmp_path.rglob("lossmith") if path.is_file())
    program = (
        f"source '{script}'; COMP_WORDS=(lossmith {' '.join(words)}); COMP_CWORD={len(words)}; _lossmith; "
        'echo "${COMPREPLY[@]}"'
    )
    outcome = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
    assert outcome.stdout.split() == [completion]
