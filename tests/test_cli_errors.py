"""Mistakes on the command line: each is one sentence and status 2, and writes nothing."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import lossmith
from lossmith.cli import run
from lossmith.core.errors import LossmithError
from lossmith.models.model_file import save_model
from lossmith.networks import network

from .command_line import QUICK, refusal


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("stepz: 3\n", "a.yaml: option 'stepz' is not known; did you mean 'steps'?"),
        ("3: 3\n", "a.yaml: option '3' is not known; known are adversarial, "),
        ("losses: l1\n", "a.yaml: option 'losses' is not known; did you mean 'loss'?"),
        ("steps: two\n", 'Invalid value for steps: must be a whole number, not "two" as a.yaml says.'),
        ("steps: 2.5\n", 'Invalid value for steps: must be a whole number, not "2.5" as a.yaml says.'),
        ("loss: [l1, l2]\n", "a.yaml: option 'loss' takes one value, not 2"),
        ("decay: cos\n", 'Invalid value "cos" for decay from a.yaml. Choose from: "cosine", "none",'),
        ("steps: 2\nminutes: 1\n", "as --steps or as --minutes, not both"),
        ("steps: 2\nsteps: 3\n", "a.yaml: 'steps' is in line 1 and in line 2; remove one"),
    ],
)
def test_a_mistake_in_a_yaml_file_names_the_file_and_the_option(
    text: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.yaml").write_text(text)
    assert sentence in refusal(["train", "--config", "a.yaml"], capsys)


def test_a_word_that_is_not_utf8_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal(["train", "--out", "caf\udce9"], capsys) == r"'caf\udce9' is not text in UTF-8; rename it"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["compare", "--losses", "mixx"], "loss 'mixx' is not known; did you mean 'mix'?"),
        (["compare", "--losses", "l1 +"], "ends where the name of a loss was expected"),
        (["compare", "--losses", "l1", "1*l1"], "loss 'l1' is given twice; each may be given once"),
        (["compare", "--degradation", "jpg(10)"], "did you mean 'jpeg'?"),
        (["compare", "--degradation", "jpeg(200)"], "quality must be 1 to 100"),
        (["compare", "--network", "fnc"], "did you mean 'fcn'?"),
        (["compare", "--steps", "5", "--minutes", "1"], "as --steps or as --minutes, not both"),
        (["compare", "--seeds", "0"], "--seeds must be a whole number, at least 1, not 0"),
        (["train", "--seed", "9" * 40], "seed must be 0 to 9223372036854775807"),
        (["train", "--out", ""], "the value after '--out' is empty"),
        (["train", "--degradation="], "the value after '--degradation=' is empty"),
        (["train", "--config"], "--config needs the name of a YAML file"),
        (["train", "--config", "a.yaml", "--config=b.yaml"], "--config may be given once"),
        (["train", "--config", "none.yaml"], "cannot read none.yaml: No such file or directory"),
        (["train", "--out", "/dev/null/run", *QUICK], "cannot write /dev/null/run/.lock: Not a directory"),
        (["compare", "--stepz", "5"], "--stepz"),
        (["compare", "--steps", "many"], "many"),
        (["compare", "--seeds", "1.5"], "--seeds must be a whole number, or a range such as 2:8, not 1.5"),
        (
            ["compare", "--seeds", "8:2"],
            "--seeds as a range goes from 1 or more up, such as 2:8, and not from 8 to 2",
        ),
        (["compare", "--seeds", "2:"], "--seeds must be a whole number, or a range such as 2:8, not 2:"),
        (["compare", "--until", "decided"], "--until decided goes with a range of seeds, such as --seeds 2:8"),
        (["compare", "--until", "bored"], 'Invalid value "bored" for --until. Choose from: "decided".'),
        (["compare", "--at-most", "soon"], "--at-most must be a time above 0, such as 90s, 30m or 2h, not soon"),
        (["compare", "--at-most", "0"], "--at-most must be a time above 0, such as 90s, 30m or 2h, not 0"),
        (["compare", "--margin", "psrn=0.1"], "metric 'psrn' is not known; did you mean 'psnr'?"),
        (["compare", "--margin", "psnr"], "a margin is METRIC=NUMBER, such as psnr=0.05, not 'psnr'"),
        (["compare", "--margin", "=1"], "a margin is METRIC=NUMBER, such as psnr=0.05, not '=1'"),
        (["compare", "--margin", "psnr=x"], "the margin of psnr must be a number, not 'x'"),
        (["compare", "--margin", "psnr=1", "psnr=2"], "the margin of psnr is given twice"),
        (["compare", "--margins", "--seeds", "3"], "the value after '--margins' is missing"),
        (["compare", "--losses"], "the value after '--losses' is missing"),
        (["compare", "--margin", "psnr=-1"], "the margin of psnr must be 0 or more, not -1"),
        (["compare", "--margin", "psnr=nan"], "the margin of psnr must be 0 or more, not nan"),
        (["compare", "--clean", "somewhere"], "both --clean and --degraded"),
        (["compare", "nowhere"], "'nowhere' does not exist"),
        (["compare", "--losses", "ms_ssim"], "needs patches of at least 161 pixels"),
        (["train", "--loss", "no.such:Loss"], "cannot be imported"),
        (["evaluate", "nothing.safetensors"], "does not exist"),
        (["comparre"], "comparre"),
        (["compare", "--init-partial"], "--init-partial goes with --init"),
        (
            ["compare", "--losses", "l1", "photo.png"],
            "'photo.png' is taken for a value of --losses",
        ),
        (["train", "--steps", "--out", "here"], "the value after '--steps' is missing"),
        (
            ["train", "--network", "4x.pth"],
            "network '4x.pth' is a file; --init begins with",
        ),
        (["train", "--device", "mps"], "device mps is not there"),
        (["restore"], "restore needs IMAGES; for example: lossmith restore photos/ --task x4 "),
        (["restore", "a.png"], "'a.png' does not exist"),
        (["restore", "photo.png", "--task", "x3"], 'Choose from: "jpeg", "denoise", "x2", "x4"'),
        (["restore", "photo.png", "--task", "x2", "--model", "m.pth"], "give --task or --model, not both"),
        (["restore", "photo.png", "--task", "x2", "--network", "fcn"], "--network is that of a --model"),
        (
            ["restore", "photo.png", "--task", "x2", "--alpha", "2"],
            "--alpha must be a number from 0, faithful, to 1,",
        ),
        (
            ["restore", "photo.png", "--alpha", "0.5", "--model", "m.pth"],
            "--alpha goes with a --task, or with two",
        ),
        (["restore", "photo.png", "--model", "x4-fathful"], "shipped model 'x4-fathful' is not known; "),
        (
            ["restore", "photo.png", "--task", "x2", "--alpha", "restore"],
            "--alpha mixes two models; what becomes of transparency is --transparency 'restore'",
        ),
        (["restore", "--model", "m.pth", "a.png", "--out", "b"], "'a.png' is taken for a value of --model"),
        (["restore", "a.png", "--model", "m", "--out", "b", "--memory", "8GB"], 'must be a number, not "8GB"'),
        (
            ["restore", "a.png", "--model", "m", "--out", "b", "--halo", "x"],
            'number or auto or exact, not "x"',
        ),
        (["evaluate", "results", "targets"], "evaluate has no use for 'targets'; for example: lossmith evaluate "),
        (["losses", "l1"], "losses has no use for 'l1'"),
    ],
)
def test_user_errors_are_one_sentence_and_write_nothing(
    words: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert sentence in refusal(words, capsys)
    assert not any(tmp_path.iterdir())


def test_the_folder_of_the_images_is_refused_as_output(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(photos.rglob("*"))
    assert "the folder of what is to be made; choose another --out" in refusal(
        ["train", str(photos), "--out", str(photos), *QUICK], capsys
    )
    assert sorted(photos.rglob("*")) == before


def bad_image(folder: Path, kind: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    path = folder / f"a-{kind}.png"  # sorted first, so that it is trained on
    match kind:
        case "text":
            path.write_text("not an image")
        case "cut":
            image.save(path)
            path.write_bytes(path.read_bytes()[:3000])
        case "cut-jpeg":
            image.save(folder / "a-cut.jpg", quality=95)
            (folder / "a-cut.jpg").write_bytes((folder / "a-cut.jpg").read_bytes()[:2000])
        case "cmyk":
            image.convert("CMYK").save(folder / "a-cmyk.jpg")
        case "see-through":
            image.putalpha(128)
            image.save(path)
        case "tiny":
            image.crop((0, 0, 8, 8)).save(path)


@pytest.mark.parametrize("kind", ["text", "cut", "cut-jpeg", "cmyk", "see-through", "tiny", "empty"])
def test_unusable_images_are_named(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for i in range(2):
        Image.fromarray(np.full((64, 64, 3), 99 + i, np.uint8)).save(folder / f"good{i}.png")
    if kind == "empty":
        shutil.rmtree(folder)
        folder.mkdir()
    else:
        bad_image(folder, kind)
    out = tmp_path / "out"
    sentence = refusal(["compare", folder, *QUICK, "--out", out], capsys)
    assert (kind.removesuffix("-jpeg") if kind != "empty" else "holds no images") in sentence
    assert not out.exists()


def test_an_image_in_training_and_test_is_refused(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "is also trained on" in refusal(["train", photos, "--test", photos / "1.png"], capsys)


def test_the_folder_of_another_comparison_is_refused(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(w) for w in ["compare", photos, *QUICK, "--seeds", "1", "--out", tmp_path, "--losses", "l1"]]
    assert run(words) == 0
    capsys.readouterr()
    assert "belongs to another configuration: --learning-rate is" in refusal(
        [*words, "--learning-rate", "0.01"], capsys
    )


def test_a_full_disk_is_one_sentence(photos: Path, tmp_path: Path) -> None:
    program = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000));"
        "from lossmith.cli import run; sys.exit(run(sys.argv[1:]))"
    )
    words = [sys.executable, "-c", program, "train", photos, *QUICK, "--out", tmp_path / "run"]
    process = subprocess.run([str(w) for w in words], capture_output=True, text=True, env={**os.environ})
    assert process.returncode == 2, process.stderr
    assert "Traceback" not in process.stderr
    assert "cannot write" in process.stderr.splitlines()[-1]


def test_a_model_file_runs_no_code(tmp_path: Path, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, mark = tmp_path / "m.safetensors", tmp_path / "ran"
    save_model(path, network("fcn"), {"network": f"os:system('touch {mark}')", "scale": 1, "degradation": "jpeg"})
    assert "only run when you name it yourself" in refusal(["evaluate", path, "--test", photos], capsys)
    save_model(path, network("fcn"), {"network": "fcn", "scale": 1, "degradation": f"os:system('touch {mark}')"})
    assert "give --degradation" in refusal(["evaluate", path, "--test", photos], capsys)
    assert not mark.exists()


def test_one_model_may_be_given_to_restore_without_a_list(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(LossmithError, match=r"^'none\.pth' does not exist"):
        lossmith.restore(str(photos), model="none.pth", out=tmp_path / "out")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("call", "words", "in_python", "in_shell"),
    [
        (
            lambda: lossmith.Data(clean="a"),
            ["train", "--clean", "a"],
            "pairs of your own need both `clean` and `degraded`",
            "pairs of your own need both --clean and --degraded",
        ),
        (
            lambda: lossmith.Data(["a"], clean="a", degraded="b"),
            ["compare", "a", "--clean", "a", "--degraded", "b"],
            "give either `images` or `clean` and `degraded`, not both",
            "give either IMAGES or --clean and --degraded, not both",
        ),
        (
            lambda: lossmith.Recipe(steps=1, minutes=1.0),
            ["train", "--steps", "1", "--minutes", "1"],
            "give the budget as `steps` or as `minutes`, not both",
            "give the budget as --steps or as --minutes, not both",
        ),
        (
            lambda: lossmith.Recipe(learning_rate=-1.0),
            ["train", "--learning-rate", "-1"],
            "`learning_rate` must be above 0 and finite, not -1.0",
            "--learning-rate must be above 0 and finite, not -1.0",
        ),
        (
            lambda: lossmith.Execution(gpus_per_run=0.5),
            ["compare", "--gpus-per-run", "0.5"],
            "`gpus_per_run` is for a Ray cluster; add `executor=ray`",
            "--gpus-per-run is for a Ray cluster; add --executor ray",
        ),
        (
            lambda: lossmith.train(out="cat.png"),
            ["train", "--out", "cat.png"],
            "'cat.png' is called like a file, and `out` is the folder of a run with its model; "
            "name a folder, such as 'cat'",
            "'cat.png' is called like a file, and --out is the folder of a run with its model; "
            "name a folder, such as 'cat'",
        ),
        (
            lambda: lossmith.learn_loss("cat.png", out="cat.safetensors"),
            ["learn-loss", "cat.png", "--out", "cat.safetensors"],
            "say what the loss is to be learned from: either `degradation` or `degraded`",
            "say what the loss is to be learned from: either --degradation or --degraded",
        ),
        (
            lambda: lossmith.blend("a", "b", alpha=2, out="x"),
            ["blend", "a", "b", "--alpha", "2", "--out", "x"],
            "`alpha` must be a number from 0 to 1, up to 101 rising ones such as 0,0.3,1, or a range "
            "start:stop:step such as 0:1:0.1, not '2'",
            "--alpha must be a number from 0 to 1, up to 101 rising ones such as 0,0.3,1, or a range "
            "start:stop:step such as 0:1:0.1, not '2'",
        ),
    ],
)
def test_an_error_names_the_argument_in_python_and_the_option_on_the_command_line(
    call: Callable[[], object],
    words: list[object],
    in_python: str,
    in_shell: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(LossmithError) as error:
        call()
    assert str(error.value) == in_python
    assert refusal(words, capsys) == in_shell
