"""Recognizes files that are not weights, with advice on what to do with them."""

from pathlib import Path

WEB_PAGE = "is a web page, as a download that failed leaves it; download the file again"
KINDS = {
    b"version https://git-lfs": "is a pointer of Git LFS to the real file; fetch that: git lfs pull",
    b"<!": WEB_PAGE,
    b"<html": WEB_PAGE,
    b"PK\x03\x04": "is an archive that is not whole, or holds other files; download it again, or unpack it",
    b"\x1f\x8b": "is packed by gzip; unpack it first",
    b"Rar!": "is packed by RAR; unpack it first",
    b"7z\xbc\xaf": "is packed by 7-Zip; unpack it first",
    b"\x89HDF": "is of HDF5, as Keras writes it, and not of PyTorch",
    b"GGUF": "is of GGUF, and not of PyTorch",
    b"7767517": "is of ncnn; name the .pth or .safetensors file from which it was made",
    b"\x93NUMPY": "is an array of numpy, not weights by name",
}
"""Descriptions of files, by their first bytes."""


def foreign_kind(path: Path) -> str:
    """What kind of file it is instead of weights, as the end of a sentence; empty if unknown."""
    with path.open("rb") as file:
        start = file.read(32).lstrip()
    if not start:
        return "is empty; download or copy it again"
    return next((kind for magic, kind in KINDS.items() if start.startswith(magic)), "")
