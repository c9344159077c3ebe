"""Templates, styles and scripts of `assets/`, filled and joined to one self-contained HTML file."""

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lossmith.core.files import write_text

ASSETS = Path(__file__).with_name("assets")


def write_page(
    path: Path, template: str, styles: Sequence[str], scripts: Sequence[str] = (), **values: object
) -> None:
    """Write a self-contained HTML page; all values from outside are escaped.

    The file is written atomically.

    Raises LossmithError when the file cannot be written.
    """
    environment = Environment(
        loader=PackageLoader("lossmith.report", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "allow_nan": False}
    page = environment.get_template(template).render(
        styles=_joined("styles", styles, "css"), scripts=_joined("scripts", scripts, "js"), **values
    )
    # file names may hold bytes that are not valid UTF-8; they are shown as question marks
    write_text(path, page.encode("utf-8", "replace").decode("utf-8"))


def is_lossmith_page(path: Path) -> bool:
    """Whether a file is a page that lossmith wrote."""
    with path.open("rb") as file:
        return b'name="generator" content="lossmith"' in file.read(4096)


def _joined(folder: str, names: Sequence[str], ending: str) -> Markup:
    """The contents of asset files, unescaped: they are not templates, so Jinja does not read their braces."""
    return Markup("\n".join((ASSETS / folder / f"{name}.{ending}").read_text("utf-8") for name in names))


__all__ = ["ASSETS", "is_lossmith_page", "write_page"]
