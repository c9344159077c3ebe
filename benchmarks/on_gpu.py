"""Everything that only a GPU can show, in one command.

    python benchmarks/on_gpu.py [--minutes 8] [--out runs/gpu] [--only right structural]
    python benchmarks/on_gpu.py --page runs/gpu    # puts its tables into docs/gpu.md

The parts run in order of worth, each in a process of its own and with a time limit, and write their tables to
--out line by line; README.md there says what became of each. Needs no installation of lossmith, and of packages
only torch, torchvision, Lightning, torchmetrics, timm, scikit-image, TensorBoard and Triton. Without a GPU
everything is tiny. Ends with status 1 if a part failed.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryFile

BENCHMARKS = Path(__file__).resolve().parent
CHECKOUT = BENCHMARKS.parent
PAGE = CHECKOUT / "docs" / "gpu.md"
PATIENCE = 1.5
"""How many times its estimated seconds a part may take."""
LAST_LINES = 12
"""How much is shown of what a failed part said."""


@dataclass(frozen=True)
class Part:
    """One of the things that a GPU can show."""

    name: str
    title: str
    seconds: float
    """Estimated on an H200."""
    command: tuple[str, ...] = ()
    """What to run, before the file of the table; by default the module gpu.NAME."""
    endless: bool = False
    """Whether it goes on as long as the later ones leave it time, since there is always more to find out."""

    def argv(self, table: Path, tiny: bool) -> list[str]:
        command = self.command or (sys.executable, "-m", "gpu.part", self.name)
        return [*command, str(table), *(["--tiny"] if tiny else [])]


PARTS = (
    Part("right", "Values, gradients, models and resumed runs are those of the CPU", 130),
    Part("structural", "Structural losses beside other implementations", 90),
    Part("product", "The demo, trainings, a restored 4K picture, a painted film", 115),
    Part("evidence", "Which loss to train with: learned losses, and Zhao's tasks", 90, endless=True),
    Part("costs", "Feature losses, and the speed of restoring", 50),
)


@dataclass(frozen=True)
class Outcome:
    """What became of a part."""

    state: str
    """done, cut off, failed, not begun, or begun, if all was stopped in it."""
    seconds: float = 0.0
    estimate: float = 0.0
    machine: str = ""
    tiny: bool = False
    last_words: str = ""
    """Of a part that failed."""


def run_parts(parts: Sequence[Part], out: Path, seconds: float, tiny: bool, machine: str) -> dict[str, Outcome]:
    """Run parts one after the other, as far as the time goes; the summary is rewritten after each."""
    out.mkdir(parents=True, exist_ok=True)
    outcomes, deadline = read_outcomes(out), time.monotonic() + seconds
    outcomes |= {part.name: Outcome("not begun", estimate=part.seconds, tiny=tiny) for part in parts}
    for number, part in enumerate(parts):
        left = deadline - time.monotonic()
        spare = left - sum(later.seconds for later in parts[number + 1 :])
        if left >= part.seconds / 2:
            outcomes[part.name] = Outcome("begun", 0.0, part.seconds, machine, tiny)
            write_outcomes(out, outcomes)  # which stays, if this process is stopped
            print(f"\n## {part.title} (about {part.seconds:.0f} s)\n", flush=True)
            limit = max(PATIENCE * part.seconds, spare if part.endless else 0)
            limit = left if tiny else min(left, limit)
            outcomes[part.name] = run_part(part, out / f"{part.name}.md", limit, tiny, machine)
        write_outcomes(out, outcomes)
    return outcomes


def run_part(part: Part, table: Path, limit: float, tiny: bool, machine: str) -> Outcome:
    """Run a part in a process of its own, for at most `limit` seconds."""
    table.write_text(f"{machine}{', tiny' if tiny else ''}.\n", encoding="utf-8")
    paths = [str(BENCHMARKS), str(CHECKOUT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    start = time.monotonic()
    with TemporaryFile() as errors:
        process = subprocess.Popen(part.argv(table, tiny), env=environment, stderr=errors, start_new_session=True)
        try:
            state = "failed" if process.wait(limit) else "done"
        except subprocess.TimeoutExpired:
            state = "cut off"
        finally:  # with its workers, also where this process is stopped
            stop_group(process)
        errors.seek(0)
        words = errors.read().decode(errors="replace").splitlines()[-LAST_LINES:]
    last_words = "\n".join(words) if state == "failed" else ""
    if last_words:
        print(last_words, file=sys.stderr)
    return Outcome(state, time.monotonic() - start, part.seconds, machine, tiny, last_words)


def stop_group(process: subprocess.Popen[bytes]) -> None:
    """Stop a process and all that it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def read_outcomes(out: Path) -> dict[str, Outcome]:
    """The outcomes of earlier calls with the same folder."""
    file = out / "results.json"
    entries = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return {name: Outcome(**entry) for name, entry in entries.items()}


def write_outcomes(out: Path, outcomes: Mapping[str, Outcome]) -> None:
    """Write the summary, for people and for the next call."""
    entries = {name: asdict(outcome) for name, outcome in outcomes.items()}
    (out / "results.json").write_text(json.dumps(entries, indent=1), encoding="utf-8")
    (out / "README.md").write_text(summary(outcomes), encoding="utf-8")


def summary(outcomes: Mapping[str, Outcome]) -> str:
    """What became of every part, in Markdown."""
    lines = ["# What a GPU showed", ""]
    if any(outcome.tiny for outcome in outcomes.values()):
        lines += ["**Tiny**: this shows that everything runs; its numbers mean nothing.", ""]
    lines += ["| part | outcome | seconds | estimated | machine |", "| --- | --- | --- | --- | --- |"]
    for name, outcome in outcomes.items():
        begun = outcome.state != "not begun"
        label, seconds = (f"[{name}]({name}.md)", f"{outcome.seconds:.0f}") if begun else (name, "")
        lines.append(f"| {label} | {outcome.state} | {seconds} | {outcome.estimate:.0f} | {outcome.machine} |")
    for name, outcome in outcomes.items():
        if outcome.last_words:
            lines += ["", f"The last words of *{name}*:", "", "```", outcome.last_words, "```"]
    return "\n".join([*lines, ""])


def describe_machine() -> tuple[str, bool]:
    """The machine and the versions in words, and whether there is a GPU."""
    import torch

    gpu = torch.cuda.is_available()
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    name = ", driver ".join(output(query).partition("\n")[0].rsplit(", ", 1)) if gpu else "no GPU"
    code = output(["git", "-C", str(CHECKOUT), "rev-parse", "--short", "HEAD"])
    changes = " with changes" if code and output(["git", "-C", str(CHECKOUT), "status", "--porcelain"]) else ""
    cuda = f", CUDA {torch.version.cuda}" if gpu else ""
    release = (CHECKOUT / "src" / "lossmith" / "_version.py").read_text(encoding="utf-8").split('"')[-2]
    return f"{name}; lossmith {release} ({code or 'commit unknown'}{changes}), {versions()}{cuda}", gpu


def versions() -> str:
    """Releases of the packages that matter to speed."""
    releases = []
    for package in ("torch", "triton"):
        try:
            releases.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            releases.append(f"no {package}")
    return ", ".join(releases)


def output(command: Sequence[str]) -> str:
    """What a command prints; nothing if it fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def parts_table() -> str:
    """The parts with their estimated seconds, in Markdown."""
    rows = [f"| `{part.name}` | {part.title} | {part.seconds:.0f} |" for part in PARTS]
    return "\n".join(["| part | what it shows | estimated seconds |", "| --- | --- | --- |", *rows])


def fill_page(page: str, results: Path) -> str:
    """The page with the tables of a folder between its marks; those of other parts stay."""
    for name, outcome in read_outcomes(results).items():
        if outcome.tiny:
            raise SystemExit(f"{results} holds a tiny run, whose numbers mean nothing: the page takes a GPU's")
        table = results / f"{name}.md"
        if outcome.state != "not begun" and table.exists():
            remark = "" if outcome.state == "done" else f" It {ENDINGS[outcome.state]}."
            took = f"This part took {outcome.seconds:.0f} s.{remark}"
            text = table.read_text(encoding="utf-8").rstrip()
            page = between_marks(page, name, f"{text}\n\n{took}\n")
    return between_marks(page, "parts", f"{parts_table()}\n")


ENDINGS = {"failed": "failed", "cut off": "was cut off by its time limit", "begun": "was stopped"}


def between_marks(page: str, name: str, text: str) -> str:
    """A page with another text between the marks of a name."""
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    before, rest = page.split(begin)
    _, after = rest.split(end)
    return f"{before}{begin}{text}{end}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=8, help="after which nothing more runs")
    parser.add_argument("--out", type=Path, default=Path("runs/gpu"), help="folder of the tables")
    parser.add_argument("--only", nargs="+", choices=[part.name for part in PARTS], help="these parts")
    parser.add_argument("--tiny", action="store_true", help="as small as possible, as where there is no GPU")
    parser.add_argument("--page", type=Path, metavar="DIR", help="put the tables of a folder into docs/gpu.md")
    options = parser.parse_args()
    if options.page:
        PAGE.write_text(fill_page(PAGE.read_text(encoding="utf-8"), options.page), encoding="utf-8")
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the part is stopped, too
    machine, gpu = describe_machine()
    parts = [part for part in PARTS if part.name in (options.only or [part.name])]
    tiny = options.tiny or not gpu
    outcomes = run_parts(parts, options.out, 60 * options.minutes, tiny, machine)
    print(f"\n{summary(outcomes)}")
    sys.exit(any(outcomes[part.name].state == "failed" for part in parts))


if __name__ == "__main__":
    main()
