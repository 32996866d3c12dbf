"""Items that are found by name as well as by place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, SupportsIndex, TypeVar, get_args, overload

from abkit.errors import NotFoundError, suggest


class HasName(Protocol):
    """What can be found by its name."""

    @property
    def name(self) -> str: ...  # noqa: D102


T_co = TypeVar("T_co", bound=HasName, covariant=True)


class Named(tuple[T_co, ...]):
    """A tuple whose items are also found by name: as keys, and as attributes where the name is an identifier.

    Tab completes both.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> metrics = Named([SimpleNamespace(name="success"), SimpleNamespace(name="cost (usd)")])
    >>> metrics["cost (usd)"] is metrics[1], metrics.success is metrics[0]
    (True, True)
    >>> metrics["sucess"]
    Traceback (most recent call last):
    abkit.errors.NotFoundError: nothing is named 'sucess'; did you mean 'success'?
    """

    __slots__ = ()

    @overload
    def __getitem__(self, key: str | SupportsIndex) -> T_co: ...
    @overload
    def __getitem__(self, key: slice) -> tuple[T_co, ...]: ...
    def __getitem__(self, key: Any) -> Any:
        return find(self, key) if isinstance(key, str) else super().__getitem__(key)

    def __getattr__(self, name: str) -> T_co:
        for one in self:
            if one.name == name and not name.startswith("_"):
                return one
        raise AttributeError(f"nothing is named {name!r}{suggest(name, [one.name for one in self])}")

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *(one.name for one in self if one.name.isidentifier())})

    def __repr__(self) -> str:
        return f"{len(self)} by name: {', '.join(repr(one.name) for one in self)}"

    def _ipython_key_completions_(self) -> list[str]:
        return [one.name for one in self]

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return handler(tuple[get_args(source)[0], ...])  # type: ignore[misc]  # in JSON it is a list like any other


def find(items: Iterable[T_co], name: str, what: str = "nothing is named") -> T_co:
    """Return the item of that name.

    Raises
    ------
    NotFoundError
        There is none; `what` starts its sentence.
    """
    known = list(items)
    for one in known:
        if one.name == name:
            return one
    raise NotFoundError(f"{what} {name!r}{suggest(name, [one.name for one in known])}")
