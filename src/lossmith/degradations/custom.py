"""A user's function as a degradation."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.degradations.base import Degradation
from lossmith.degradations.checks import as_range, check_int
from lossmith.expressions import Call, Value, format_value, resolve


class Custom(Degradation):
    """The function at an import path, called as `function(clean, **options)`.

    The function gets a float tensor (C, H, W) on the scale of the images' range, RGB in [0, 1] unless they have
    another format, and returns a finite float tensor (C, H / scale, W / scale). It is random, and called as
    `function(clean, rng, **options)`, if it has a parameter named `rng` or a second parameter without a default;
    any other function must always return the same. Attributes of the function say more:

    - `scale` (1): the factor by which it downscales;
    - `margin` (16 times the scale): width of the border in which a crop may degrade unlike the whole image;
    - `alignment` (the scale): the grid on which a crop must begin.

    Parameters
    ----------
    path
        The import path, `package.module:function`.
    options
        Its keyword arguments. One may be a range, such as `amount=0..3`, (0, 3) in Python, from which every call
        draws a number; an integer if the parameter is annotated as int.

    Raises
    ------
    LossmithError
        When the function cannot be imported, does not take the options, or returns something else.
    """

    def __init__(self, path: str, /, **options: Value | tuple[float, float]) -> None:
        self.name = path  # type: ignore[misc]  # every function has its own
        self.options: dict[str, Value] = {
            key: as_range(path, key, value) if isinstance(value, tuple) else value
            for key, value in options.items()
        }
        if ":" not in path:
            raise LossmithError(
                f"degradation '{path}' is not an import path such as my_package.my_module:my_degradation"
            )
        self.function: Any = resolve(Call(path), {}, "degradation")
        if inspect.isclass(self.function):
            raise LossmithError(f"degradation '{path}' is a class; name a function")
        self._draws = _takes_rng(path, self.function, self.options)
        self.integer_parameters = _integer_parameters(self.function)  # type: ignore[misc]
        self.scale = getattr(self.function, "scale", 1)
        check_int(path, "scale", self.scale, 1)
        check_int(path, "margin", self.margin, 0)
        check_int(path, "alignment", self.alignment, 1)

    @property
    def random(self) -> bool:
        return self._draws or self.has_ranges

    @property
    def _parameters(self) -> Mapping[str, Any]:
        return self.options

    def at(self, position: Callable[[], float]) -> "Custom":
        return self._with({"options": {**self.options, **self._numbers_at(position)}})

    @property
    def margin(self) -> int:
        return getattr(self.function, "margin", 16 * self.scale)

    @property
    def alignment(self) -> int:
        return getattr(self.function, "alignment", self.scale)

    def degrade(self, clean: Tensor, rng: np.random.Generator | None) -> Tensor:
        arguments = (clean.clone(), rng) if self._draws else (clean.clone(),)  # functions may work in place
        try:
            degraded = self.function(*arguments, **self.options)
        except LossmithError:
            raise
        except Exception as error:
            kind = type(error).__name__
            raise LossmithError(
                f"degradation '{self.name}' fails on an image {tuple(clean.shape)} with {kind}: {error}"
            ) from error
        shape = (clean.shape[0], clean.shape[1] // self.scale, clean.shape[2] // self.scale)
        if not isinstance(degraded, Tensor):
            raise LossmithError(f"degradation '{self.name}' gave {type(degraded).__name__} instead of a tensor")
        if not torch.is_floating_point(degraded) or tuple(degraded.shape) != shape:
            kind = f"{degraded.dtype} of shape {tuple(degraded.shape)}"
            raise LossmithError(f"degradation '{self.name}' gave {kind} instead of a float tensor {shape}")
        if not degraded.isfinite().all():
            raise LossmithError(f"degradation '{self.name}' gave values that are not finite")
        return degraded.to(clean)

    def __str__(self) -> str:
        options = ", ".join(f"{key}={format_value(value)}" for key, value in self.options.items())
        return f"{self.name}({options})" if options else self.name

    def __repr__(self) -> str:
        return f"Custom({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Custom) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


def _takes_rng(path: str, function: Any, options: dict[str, Value]) -> bool:
    """Whether the function takes `rng` after the image; raises LossmithError if it cannot be called at all."""
    try:
        signature = inspect.signature(function)
    except ValueError:  # some builtins have none
        return False
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    second = [p for p in signature.parameters.values() if p.kind in positional][1:2]
    random = any(p.name not in options and (p.name == "rng" or p.default is p.empty) for p in second)
    try:
        signature.bind(*([None] * (2 if random else 1)), **options)
    except TypeError as error:
        raise LossmithError(f"degradation '{path}': {error}") from error
    return random


def _integer_parameters(function: Any) -> frozenset[str]:
    """The parameters that are annotated as int."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:
        return frozenset()
    return frozenset(p.name for p in parameters if p.annotation in (int, "int"))
