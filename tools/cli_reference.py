"""Write docs/cli.md, the reference of the command line, from the help texts: `python tools/cli_reference.py`."""

import re
from pathlib import Path

from lossmith.cli import app, as_typed

PAGE = Path(__file__).parents[1] / "docs" / "cli.md"
HEAD = """# The command line

    lossmith COMMAND --help     # one command
    lossmith --help             # all commands

Every option can also stand in a YAML file, `--config FILE` ([an example](../examples/demo.yaml)), with
underscores for hyphens and lists in brackets; an option on the command line takes precedence. `--device cpu` or
`--device cuda:1` chooses the device of any command. A command ends with status 0, with 1 when a part of its work
failed, with 2 after a mistake of the user, which one sentence explains, and with 128 + the signal when it was
stopped.

`python tools/cli_reference.py` writes this page from the help texts.
"""


def reference() -> str:
    """The page as Markdown: one section a command, one line an option."""
    generated = app.generate_docs(output_format="markdown", recursive=True, include_hidden=False)
    sections = generated[generated.index("\n## lossmith ") :]
    joined = re.sub(r"(?<=\S)\n {2,}(?=\S)", " ", sections)  # the continued lines of an option
    lists = re.sub(r"\*\*([A-Z]\w+)\*\*:", r"### \1", joined)
    lists = re.sub(  # docstrings name parameters, which are options here
        r"^## lossmith (\S+)\n.*?(?=^## |\Z)",
        lambda match: as_typed(match[0], match[1]),
        lists,
        flags=re.MULTILINE | re.DOTALL,
    )
    return f"{HEAD}{re.sub(r'^```console$', '```', lists, flags=re.MULTILINE).rstrip()}\n"


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
