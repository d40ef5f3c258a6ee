"""One definition of a method, two faces: `await client.tasks.get(…)` and `client.tasks.get(…)`.

A resource is written once, generic in its runner. Bound to the async runner a method returns a
coroutine, bound to the blocking one it returns the value; type checkers see which.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

from leanvibe._operations import Call, Operation
from leanvibe._records import Record
from leanvibe._runners import AsyncRunner, BlockingRunner
from leanvibe.pagination import Page

P = ParamSpec("P")
T = TypeVar("T")
RecordT = TypeVar("RecordT", bound=Record)
Runner = TypeVar("Runner", AsyncRunner, BlockingRunner)


class Resource(Generic[Runner]):
    """A group of methods of the API."""

    def __init__(self, runner: Runner) -> None:
        self._runner: Runner = runner


class endpoint(Generic[P, T]):
    """A method that performs one operation."""

    def __init__(self, describe: Callable[Concatenate[Any, P], Operation[T]]) -> None:
        self._describe = describe
        self.__doc__ = describe.__doc__

    @overload
    def __get__(self, resource: None, owner: type) -> Self: ...
    @overload
    def __get__(
        self, resource: Resource[AsyncRunner], owner: type
    ) -> Callable[P, Coroutine[Any, Any, T]]: ...
    @overload
    def __get__(self, resource: Resource[BlockingRunner], owner: type) -> Callable[P, T]: ...
    def __get__(self, resource: Any, owner: type) -> Any:
        if resource is None:
            return self
        return _bound(self._describe, resource, resource._runner.run)


class pages(Generic[P, RecordT]):
    """An iterator over the rows of all pages; each page is fetched when it is needed."""

    def __init__(self, describe: Callable[Concatenate[Any, P], Call[Page[RecordT]]]) -> None:
        self._describe = describe
        self.__doc__ = describe.__doc__

    @overload
    def __get__(self, resource: None, owner: type) -> Self: ...
    @overload
    def __get__(
        self, resource: Resource[AsyncRunner], owner: type
    ) -> Callable[P, AsyncIterator[RecordT]]: ...
    @overload
    def __get__(
        self, resource: Resource[BlockingRunner], owner: type
    ) -> Callable[P, Iterator[RecordT]]: ...
    def __get__(self, resource: Any, owner: type) -> Any:
        if resource is None:
            return self
        return _bound(self._describe, resource, resource._runner.iterate)


def _bound(
    describe: Callable[..., Any], resource: object, perform: Callable[[Any], Any]
) -> Callable[..., Any]:
    described = describe.__get__(resource)  # bound, so that help() shows no `self`

    @wraps(described)
    def method(*args: Any, **kwargs: Any) -> Any:
        return perform(described(*args, **kwargs))

    return method
