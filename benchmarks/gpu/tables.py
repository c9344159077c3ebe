"""A Markdown file that grows line by line, so that what is cut off leaves what was done."""

from pathlib import Path


class Page:
    """The results of a part, in its file and on the standard output."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.faults: list[str] = []
        """What was found to be wrong, in sentences; a part with any has failed."""

    def line(self, text: str = "") -> None:
        """Add a line, or several."""
        with self.path.open("a", encoding="utf-8") as file:  # closed at once: whoever reads it sees the line
            file.write(f"{text}\n")
        print(text, flush=True)

    def section(self, title: str, remark: str = "") -> None:
        """Add a heading, and a paragraph below it."""
        self.line(f"\n### {title}\n")
        if remark:
            self.line(f"{remark}\n")

    def columns(self, *names: str) -> None:
        """Begin a table."""
        self.row(*names)
        self.row(*["---"] * len(names))

    def row(self, *cells: object) -> None:
        """Add a row to the table."""
        self.line(f"| {' | '.join(map(str, cells))} |")

    def fault(self, sentence: str) -> None:
        """Note that something is wrong; the part goes on."""
        self.faults.append(sentence)


def size_of(shape: tuple[int, ...]) -> str:
    """A shape in words, such as 16x3x256x256."""
    return "x".join(map(str, shape))


def reason_of(error: BaseException) -> str:
    """An error in one line that fits into a cell."""
    text = " ".join(str(error).split()).replace("|", "/")
    return f"{type(error).__name__}: {text[:160]}"
