"""What an expression consists of, once it has been read."""

from dataclasses import dataclass

Value = int | float | bool | str | None


@dataclass(frozen=True)
class Call:
    """`name(arguments, key=options)`."""

    name: str
    arguments: tuple[Value, ...] = ()
    options: tuple[tuple[str, Value], ...] = ()


@dataclass(frozen=True)
class Product:
    """`weight * of`."""

    weight: float
    of: "Node"


@dataclass(frozen=True)
class Sum:
    """`terms[0] + terms[1] + ...`."""

    terms: tuple["Node", ...]


@dataclass(frozen=True)
class Timeline:
    """`stages[0] until ends[0]% then stages[1] ...`; `ends` are fractions of the run."""

    stages: tuple["Node", ...]
    ends: tuple[float, ...]


Node = Call | Product | Sum | Timeline
