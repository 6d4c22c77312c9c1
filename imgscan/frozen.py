"""`@frozen`: in a class with annotated fields, out what `@dataclass(frozen=True, slots=True, kw_only=True)` makes of
it, in a tenth of the time.

`dataclass` writes and compiles six methods for each class while modules are imported, of which a command calls few.
Here the methods are made when they are first looked up. Where the fields are slots, `__init__` sets them through the
slots themselves, which takes half the time of `object.__setattr__`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, FrozenInstanceError, dataclass, field, fields
from functools import partial
from reprlib import recursive_repr
from typing import Any, Final, TypeVar, dataclass_transform, overload

T = TypeVar("T")
_UNSET: Final = object()
_MADE_SLOWLY: Final = 64
"""So many instances of a class are made before a function is compiled for it."""


@overload
def frozen(cls: type[T], /) -> type[T]:
    """`@frozen`: with slots, and made by keywords only."""


@overload
def frozen(*, kw_only: bool = True, slots: bool = True) -> Callable[[type[T]], type[T]]:
    """`@frozen(kw_only=False)`, `@frozen(slots=False)`."""


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def frozen(
    cls: type[T] | None = None, /, *, kw_only: bool = True, slots: bool = True
) -> type[T] | Callable[[type[T]], type[T]]:
    """The class as a frozen dataclass: for `fields`, `replace`, `match`, `copy` and `pickle` it is one like any other.

    Two things differ: values are compared as tuples in every version of Python, so that a NaN equals itself; and a
    class without a docstring gets its name for one. Not for `InitVar` and not for `order=True`: take `dataclass`.
    """
    if cls is None:
        return lambda cls: _frozen(cls, kw_only=kw_only, slots=slots)
    return _frozen(cls, kw_only=kw_only, slots=slots)


def _frozen(cls: type[T], *, kw_only: bool, slots: bool) -> type[T]:
    if hasattr(cls, "__dataclass_fields__"):
        # It inherits fields: rare, and `dataclass` knows all the rules.
        return dataclass(frozen=True, kw_only=kw_only, slots=slots)(cls)
    if "__setattr__" in vars(cls) or "__delattr__" in vars(cls):
        raise TypeError(f"{cls.__name__} is frozen and sets or deletes attributes in a way of its own")
    # Else `dataclass` writes down a signature that is not there yet.
    cls.__doc__ = cls.__doc__ or cls.__name__
    cls = dataclass(init=False, repr=False, eq=False, kw_only=kw_only, slots=slots)(cls)
    parameters = vars(cls)["__dataclass_params__"]
    parameters.init = parameters.repr = parameters.eq = parameters.frozen = True
    own = dict(vars(cls))
    if own.get("__hash__", _UNSET) is None and "__eq__" in own:
        # Python's own doing wherever a class says how it is compared.
        del own["__hash__"]
    for name in _MAKERS:
        if name not in own:
            setattr(cls, name, _InitOnUse(cls) if name == "__init__" and _is_simple(cls) else _OnFirstUse(cls, name))
    for name, method in (*_guards(cls), *(_STATE if slots else ())):
        if name not in own:
            setattr(cls, name, method)
    return cls


class _OnFirstUse:
    """Stands for a method until somebody looks it up; then makes it and leaves it its place."""

    __slots__ = ("_cls", "_name")

    def __init__(self, cls: type, name: str) -> None:
        self._cls = cls
        self._name = name

    def __get__(self, instance: object, owner: type | None = None) -> Any:  # noqa: ANN401 - a function, bound or not
        method = _MAKERS[self._name](self._cls)
        method.__qualname__ = f"{self._cls.__qualname__}.{self._name}"
        setattr(self._cls, self._name, method)
        return method.__get__(instance, owner)


class _InitOnUse(_OnFirstUse):
    """Stands for `__init__`. The first few instances are made by it: to write and compile a function takes as long as
    to make a hundred of them this way, and of most classes a command makes fewer."""

    __slots__ = ("_left", "_needed", "_steps")

    def __init__(self, cls: type) -> None:
        super().__init__(cls, "__init__")
        self._left = _MADE_SLOWLY
        self._steps: dict[str, tuple[Callable[[object, object], None], Field[Any]]] = {}
        self._needed: frozenset[str] = frozenset()

    def __get__(self, instance: object, owner: type | None = None) -> Any:  # noqa: ANN401 - a function, bound or not
        if instance is None or not self._left:
            return super().__get__(instance, owner)
        self._left -= 1
        return partial(self._fill, instance)

    def _fill(self, instance: Any, /, *args: object, **given: object) -> None:  # noqa: ANN401 - of the class
        if not self._steps:
            listed, own = _fields(self._cls), vars(self._cls)
            self._steps = {each.name: (own[each.name].__set__, each) for each in listed}
            self._needed = frozenset(
                each.name for each in listed if each.default is MISSING and each.default_factory is MISSING
            )
        if args or not self._needed <= given.keys() <= self._steps.keys():
            # Whoever is mistaken is told so by a function like any other.
            super().__get__(instance, self._cls)(*args, **given)
            return
        for name, (set_value, each) in self._steps.items():
            if name in given:
                set_value(instance, given[name])
            else:
                set_value(instance, each.default if each.default_factory is MISSING else each.default_factory())
        if hasattr(self._cls, "__post_init__"):
            instance.__post_init__()


def _is_simple(cls: type) -> bool:
    """Whether all fields are given by their names and kept in slots of the class's own."""
    own = vars(cls)
    listed = _fields(cls)
    return (
        bool(listed) and "__slots__" in own and all(each.init and each.kw_only and each.name in own for each in listed)
    )


def _guards(cls: type[Any]) -> tuple[tuple[str, Callable[..., None]], ...]:
    # Instances of a class below may have attributes of their own, but not other values in these fields.
    def set_attribute(self: object, name: str, value: object) -> None:
        if type(self) is cls or name in {each.name for each in _fields(cls)}:
            raise FrozenInstanceError(f"cannot assign to field {name!r}")
        super(cls, self).__setattr__(name, value)

    def delete_attribute(self: object, name: str) -> None:
        if type(self) is cls or name in {each.name for each in _fields(cls)}:
            raise FrozenInstanceError(f"cannot delete field {name!r}")
        super(cls, self).__delattr__(name)

    return ("__setattr__", set_attribute), ("__delattr__", delete_attribute)


def _get_state(self: object) -> list[Any]:
    return [getattr(self, each.name) for each in _fields(type(self))]


def _set_state(self: object, state: Sequence[Any]) -> None:
    for each, value in zip(_fields(type(self)), state, strict=True):
        object.__setattr__(self, each.name, value)


# Without them pickle would set the slots one by one, which a frozen class refuses.
_STATE: Final = (("__getstate__", _get_state), ("__setstate__", _set_state))


def _fields(cls: type) -> tuple[Field[Any], ...]:
    return fields(cls)


def _make_init(cls: type) -> Any:  # noqa: ANN401 - a function
    listed, own = _fields(cls), vars(cls)
    slots = "__slots__" in own
    me = "_self" if any(each.name == "self" for each in listed) else "self"
    cells: dict[str, object] = {"__unset": _UNSET, "__set": object.__setattr__}
    body: list[str] = []
    for each in listed:
        value = _initial_value(each, cells, in_class=not slots)
        if value is None:
            continue
        if slots and each.name in own:
            cells[f"__set_{each.name}"] = own[each.name].__set__
            body.append(f"__set_{each.name}({me}, {value})")
        else:
            body.append(f"__set({me}, {each.name!r}, {value})")
    if hasattr(cls, "__post_init__"):
        body.append(f"{me}.__post_init__()")
    given = [each for each in listed if each.init]
    init = _compiled(cls, "__init__", _parameters(me, given), body, cells)
    init.__annotations__ = {each.name: each.type for each in given} | {"return": None}
    return init


def _initial_value(each: Field[Any], cells: dict[str, object], *, in_class: bool) -> str | None:
    # What a field is set to, as an expression; None where there is nothing to set.
    name = each.name
    if each.default_factory is not MISSING:
        cells[f"__make_{name}"] = each.default_factory
        return f"__make_{name}() if {name} is __unset else {name}" if each.init else f"__make_{name}()"
    cells[f"__default_{name}"] = each.default
    if each.init:
        return name
    return None if each.default is MISSING or in_class else f"__default_{name}"


def _parameters(me: str, given: Sequence[Field[Any]]) -> str:
    def parameter(each: Field[Any]) -> str:
        if each.default_factory is not MISSING:
            return f"{each.name}=__unset"
        return each.name if each.default is MISSING else f"{each.name}=__default_{each.name}"

    keywords = [parameter(each) for each in given if each.kw_only]
    positional = [parameter(each) for each in given if not each.kw_only]
    return ", ".join([me, *positional, *(["*", *keywords] if keywords else [])])


def _make_repr(cls: type) -> Any:  # noqa: ANN401 - a function
    shown = ", ".join(f"{each.name}={{self.{each.name}!r}}" for each in _fields(cls) if each.repr)
    text = _compiled(cls, "__repr__", "self", [f'return f"{{self.__class__.__qualname__}}({shown})"'], {})
    return recursive_repr()(text)


def _make_eq(cls: type) -> Any:  # noqa: ANN401 - a function
    compared = [each for each in _fields(cls) if each.compare]
    body = [
        "if other.__class__ is self.__class__:",
        f" return {_values('self', compared)} == {_values('other', compared)}",
        "return NotImplemented",
    ]
    return _compiled(cls, "__eq__", "self, other", body, {})


def _make_hash(cls: type) -> Any:  # noqa: ANN401 - a function
    hashed = [each for each in _fields(cls) if (each.compare if each.hash is None else each.hash)]
    return _compiled(cls, "__hash__", "self", [f"return __hash({_values('self', hashed)})"], {"__hash": hash})


def _values(name: str, listed: Sequence[Field[Any]]) -> str:
    return f"({''.join(f'{name}.{each.name},' for each in listed)})"


def _compiled(cls: type, name: str, parameters: str, body: Sequence[str], cells: Mapping[str, object]) -> Any:  # noqa: ANN401
    # Written as source, as `dataclass` does it: nothing else calls as fast, and errors name parameters as ever. `cells`
    # are the values that it refers to; names of the annotations are those of the class's module.
    lines = [f"def make({', '.join(cells)}):", f" def {name}({parameters}):"]
    lines += [f"  {line}" for line in body or ("pass",)]
    lines.append(f" return {name}")
    made: dict[str, Any] = {}
    module = sys.modules.get(cls.__module__)
    exec("\n".join(lines), vars(module) if module else {}, made)  # noqa: S102 - of names of fields alone
    return made["make"](**cells)


_MAKERS: Final = {"__init__": _make_init, "__repr__": _make_repr, "__eq__": _make_eq, "__hash__": _make_hash}
