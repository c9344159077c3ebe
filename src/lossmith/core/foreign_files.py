"""Recognizes files that are not weights, with advice on what to do with them."""

from pathlib import Path

WEB_PAGE = "is a web page, which a failed download leaves; download the file again"
FILE_KINDS = {
    b"version https://git-lfs": "is a pointer of Git LFS to the real file; fetch that: git lfs pull",
    b"<!": WEB_PAGE,
    b"<html": WEB_PAGE,
    b"PK\x03\x04": "is an incomplete archive, or one of other files; download it again, or unpack it",
    b"\x1f\x8b": "is packed by gzip; unpack it first",
    b"Rar!": "is packed by RAR; unpack it first",
    b"7z\xbc\xaf": "is packed by 7-Zip; unpack it first",
    b"\x89HDF": "is an HDF5 file, as Keras writes them, not a PyTorch file",
    b"GGUF": "is a GGUF file, not a PyTorch file",
    b"7767517": "is a file of ncnn; name the .pth or .safetensors file from which it was made",
    b"\x93NUMPY": "is a NumPy array, not weights by name",
}
"""Descriptions of other files, by their first bytes."""


def foreign_kind(path: Path) -> str:
    """The kind of a file that holds no weights, as the end of a sentence; empty if unknown."""
    with path.open("rb") as file:
        start = file.read(32).lstrip()
    if not start:
        return "is empty; download or copy it again"
    return next((kind for magic, kind in FILE_KINDS.items() if start.startswith(magic)), "")
