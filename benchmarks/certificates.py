"""Certificates of other packages' losses beside ours: writes docs/certificates/ and the pages made of them.

    python benchmarks/certificates.py                     # half an hour on one core; writes docs/certificates/
    python benchmarks/certificates.py --only piq --cases 10 --out /tmp/docs
    python benchmarks/certificates.py --pages             # examines nothing: writes the pages from the JSON files

Every loss gets the same checks and pictures as by `lossmith check-loss`. Networks have random weights. From the
JSON files come docs/certificates.md, docs/reliability.md (its text is in reliability.md, beside this file) and an
HTML page for each loss.
"""

import argparse
import json
import warnings
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory

import torch

from lossmith.commands.check_loss import write_certificate
from lossmith.core.files import safe_file_name, write_text
from lossmith.soundness import Certificate, Outcome, certificate_from_dict, certify, subject_of, verdict
from lossmith.soundness.cases import LAYOUTS, TAME, WILD
from rival_losses import FAMILIES, Family, subject_of_rival, write_random_weights

DOCS = Path(__file__).parents[1] / "docs"
CASES = 44
OURS = "lossmith"
COMMAND = "python benchmarks/certificates.py"
MAX_MESSAGE = 160
"""Characters of an answer in the list of examples."""

Results = dict[tuple[str, str], Certificate]
"""Certificates by the title of the family and the package, in the order of the tables."""


def page_of(docs: Path, title: str, package: str) -> Path:
    """The page of a certificate; beside it is the JSON file."""
    name = safe_file_name(f"{package} {title}".lower().replace(" ", "-"))
    return docs / "certificates" / f"{name}.html"


def examine(family: Family, package: str, weights: Path, cases: int) -> Certificate:
    subject = subject_of(family.ours) if package == OURS else subject_of_rival(family, package, weights)
    certificate = certify(subject, cases=cases)
    # no times: they are those of a machine that does other things as well
    measured = replace(certificate.measurements, milliseconds=None, milliseconds_of_l1=None)
    certificate = replace(certificate, measurements=measured)
    if package == OURS:
        return certificate
    return replace(certificate, environment={**certificate.environment, package: version(package)})


def read_results(docs: Path) -> Results:
    """The certificates that a folder of pages holds."""
    results = {}
    for family in FAMILIES:
        for package in (OURS, *family.others):
            path = page_of(docs, family.title, package).with_suffix(".json")
            if path.exists():
                results[family.title, package] = certificate_from_dict(json.loads(path.read_text("utf-8")))
    return results


def write_pages(results: Results, docs: Path) -> None:
    """Write what is made of the JSON files."""
    for (title, package), certificate in results.items():
        write_certificate(page_of(docs, title, package), certificate, COMMAND)
    write_text(docs / "certificates.md", index_page(results))
    write_text(docs / "reliability.md", reliability_page(results))


# --- the pages ------------------------------------------------------------------------------------------------


def index_page(results: Results) -> str:
    """docs/certificates.md: every certificate in a line."""
    head = ["loss", "package", "outcome", "checks that failed", "as a page", "as JSON"]
    rows = []
    for (title, package), certificate in results.items():
        failed = ", ".join(outcome.check for outcome in certificate.failures) or "–"
        page = page_of(Path(), title, package)
        links = [f"[{path.suffix[1:]}]({path.as_posix()})" for path in (page, page.with_suffix(".json"))]
        rows.append([title, package, verdict(certificate), failed, *links])
    return "\n".join(
        [
            "# Certificates of losses",
            "",
            f"    {COMMAND}",
            "",
            "writes what is linked here: certificates of losses of other packages, and of ours of the family,",
            "as [`lossmith check-loss`](check_loss.md) makes them. The faults are counted in",
            "[reliability.md](reliability.md). The pages are HTML files: download one to look at it.",
            "Networks have random weights; a line that repeats a fault takes the published ones, and prints other",
            "numbers with them.",
            "",
            *table(head, rows),
            "",
        ]
    )


def reliability_page(results: Results) -> str:
    """docs/reliability.md: faults by family and package."""
    outcomes = [outcome for certificate in results.values() for outcome in certificate.outcomes]
    faulty = {outcome.check for outcome in outcomes if outcome.status == "failed"}
    clean = dict.fromkeys(outcome.check for outcome in outcomes if outcome.check not in faulty)
    return Template(Path(__file__).with_name("reliability.md").read_text(encoding="utf-8")).substitute(
        versions=versions(results),
        cases=max(outcome.inputs for outcome in outcomes),
        layouts=", ".join(f"*{layout}*" for layout in LAYOUTS),
        kinds=", ".join(f"*{contents}*" for contents in (*TAME, *WILD)),
        clean=", ".join(f"*{check}*" for check in clean),
        tables="\n".join(line for family in FAMILIES for line in section(family, results)).rstrip(),
        examples="\n".join(line for key, each in results.items() for line in smallest_examples(key, each)),
    )


def versions(results: Results) -> str:
    """The device, and the version of every package."""
    packages: dict[str, str] = {}
    for certificate in results.values():
        packages |= certificate.environment
    device = packages.pop("device")
    return f"a {device} with {', '.join(f'{package} {number}' for package, number in packages.items())}"


def section(family: Family, results: Results) -> list[str]:
    """The table of a family: a row for each check that some package fails, a column for each package."""
    columns = {package: each for (title, package), each in results.items() if title == family.title}
    if not columns:
        return []
    outcomes = [outcome for certificate in columns.values() for outcome in certificate.outcomes]
    failed = dict.fromkeys(outcome.check for outcome in outcomes if outcome.status == "failed")
    order = [outcome.check for outcome in next(iter(columns.values())).outcomes]
    rows = [
        [check, *(cell(check, certificate) for certificate in columns.values())]
        for check in sorted(failed, key=order.index)
    ]
    rows.append(["**outcome**", *(verdict(certificate) for certificate in columns.values())])
    rows.append(["smallest pictures, in pixels", *(f"{certificate.min_side}" for certificate in columns.values())])
    return [f"### {family.title}", "", *table(["check", *columns], rows), ""]


def cell(check: str, certificate: Certificate) -> str:
    """What came of a check: a dash where it passed."""
    outcome = next((each for each in certificate.outcomes if each.check == check), None)
    if outcome is None or outcome.status == "not run":
        return "*not run*"
    if outcome.status == "passed":
        return "–"
    count = f"{outcome.faults} of {outcome.inputs}" if outcome.inputs > 1 else "fails"
    return f"**{count}**" if outcome.status == "failed" else f"{count}, excused"


def smallest_examples(key: tuple[str, str], certificate: Certificate) -> list[str]:
    """A line for each check that failed, with the smallest input that shows it."""
    title, package = key
    return [f"- {package}, {title}: {outcome.check}{shown(outcome)}" for outcome in certificate.failures]


def shown(outcome: Outcome) -> str:
    if not outcome.examples:
        return f": {outcome.says}"
    example = outcome.examples[0]
    answer = " ".join(example.answer.split()).replace("`", "'")[:MAX_MESSAGE]
    return f": {example.input}: `{answer}`"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows]]


# --- the command ----------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=DOCS, help="folder of the pages, docs/ by default")
    parser.add_argument("--cases", type=int, default=CASES, help="pairs of pictures for each loss")
    parser.add_argument("--only", nargs="*", default=[], help="packages, or the beginnings of families")
    parser.add_argument("--pages", action="store_true", help="make the pages from the JSON files that are there")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    with TemporaryDirectory() as temporary:
        weights = Path(temporary)
        if not options.pages:
            write_random_weights(weights)
        for family in FAMILIES if not options.pages else ():
            for package in (OURS, *family.others):
                if is_asked_for(options.only, family, package):
                    certificate = examine(family, package, weights, options.cases)
                    write_certificate(page_of(options.out, family.title, package), certificate, COMMAND)
                    print(f"{family.title}, {package}: {verdict(certificate)}", flush=True)
    write_pages(read_results(options.out), options.out)


def is_asked_for(words: Sequence[str], family: Family, package: str) -> bool:
    return not words or any(word == package or family.title.lower().startswith(word.lower()) for word in words)


if __name__ == "__main__":
    main()
