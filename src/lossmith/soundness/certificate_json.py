"""Certificates as dictionaries for JSON, and back."""

import math
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from lossmith.core.errors import LossmithError
from lossmith.soundness.certificate import Certificate

FORMAT = 1
"""Of the dictionary; a later lossmith reads the formats before its own."""
_NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def certificate_to_dict(certificate: Certificate) -> dict[str, Any]:
    """A certificate as what JSON holds; NaN and infinity are text, and what is as by default is left out."""
    return {"format": FORMAT, "sound": certificate.sound, **_plain(certificate)}


def certificate_from_dict(contents: object) -> Certificate:
    """The certificate of a dictionary that `certificate_to_dict` made, or `json.load` read.

    Raises LossmithError for anything else, and for the format of a later lossmith.

    >>> certificate = Certificate("l1", "distance", 1, (1, 2, 3, 4), ())
    >>> certificate_from_dict(certificate_to_dict(certificate)) == certificate
    True
    """
    if not isinstance(contents, Mapping) or not isinstance(contents.get("format"), int):
        raise LossmithError("this is not the certificate of a loss; `lossmith check-loss` writes those")
    if contents["format"] > FORMAT:
        raise LossmithError(
            f"the certificate has format {contents['format']}, of a later lossmith; this one reads up to {FORMAT}"
        )
    try:
        certificate: Certificate = _from_plain(Certificate, contents)
    except (TypeError, ValueError, KeyError) as error:
        raise LossmithError(f"the certificate is damaged: {error}") from error
    return certificate


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: _plain(getattr(value, field.name))
            for field in fields(value)
            if not _is_default(field, getattr(value, field.name))
        }
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _is_default(field: Any, value: Any) -> bool:
    if field.default_factory is not MISSING:
        return bool(value == field.default_factory())
    return bool(field.default is not MISSING and value == field.default)


def _from_plain(hint: Any, value: Any) -> Any:
    """The value of a type that `_plain` made plain."""
    origin, parts = get_origin(hint), get_args(hint)
    if isinstance(hint, type) and is_dataclass(hint):
        hints = get_type_hints(hint)
        return hint(
            **{
                field.name: _from_plain(hints[field.name], value[field.name])
                for field in fields(hint)
                if field.name in value or (field.default is MISSING and field.default_factory is MISSING)
            }
        )
    if origin is UnionType:
        return None if value is None else _from_plain(next(part for part in parts if part is not NoneType), value)
    if origin is Literal:
        if value not in parts:
            raise ValueError(f"{value!r} is none of {', '.join(map(repr, parts))}")
        return value
    if origin is tuple:
        kinds = parts[:1] * len(value) if parts[1:] == (...,) else parts
        return tuple(_from_plain(kind, each) for kind, each in zip(kinds, value, strict=True))
    if origin is list:
        return [_from_plain(parts[0], each) for each in value]
    if origin is dict:
        return {key: _from_plain(parts[1], each) for key, each in value.items()}
    if hint is float and isinstance(value, str):
        return _NOT_FINITE[value]
    if not isinstance(value, (int, float) if hint is float else hint):
        raise TypeError(f"{value!r} is not of type {hint.__name__}")
    return float(value) if hint is float else value


__all__ = ["FORMAT", "certificate_from_dict", "certificate_to_dict"]
