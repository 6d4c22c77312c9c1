"""`@frozen` against `@dataclass(frozen=True, ...)` of the same fields: whatever is asked, the answers are the same."""

from __future__ import annotations

import ast
import copy
import dataclasses
import inspect
import pickle
import typing
from collections.abc import Callable, Hashable
from dataclasses import FrozenInstanceError, dataclass, field
from functools import cached_property
from pathlib import Path
from types import FunctionType
from typing import Any, ClassVar, Final, Generic, TypeVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.frozen import frozen

PACKAGE = Path(__file__).parent.parent / "imgscan"
What = TypeVar("What")


def _sorted(things: list[int]) -> list[int]:
    return sorted(things)


class _Body:
    """A layer, say."""

    kind: ClassVar[str] = "layer"
    name: str
    size: int = 3
    things: list[int] = field(default_factory=list, compare=False)
    hidden: str = field(default="x", repr=False)
    apart: int = field(default=7, hash=False)
    counted: int = field(default=5, init=False)

    @property
    def twice(self) -> int:
        return 2 * self.size


def _body() -> dict[str, Any]:
    # A field is told its name by the class that it is put into, so each class needs fields of its own.
    return {
        name: copy.copy(value) for name, value in vars(_Body).items() if name not in ("__dict__", "__weakref__")
    } | {"__module__": __name__}


def _put(name: str, decorate: Callable[[type], Any], *bases: type) -> Any:
    made = type(name, bases, _body())
    made.__qualname__ = name
    return decorate(made)


Usual = _put("Usual", dataclass(frozen=True, slots=True, kw_only=True))
Ours = _put("Ours", frozen)
UsualPositional = _put("UsualPositional", dataclass(frozen=True, slots=True))
OursPositional = _put("OursPositional", frozen(kw_only=False))
UsualDict = _put("UsualDict", dataclass(frozen=True, kw_only=True))
OursDict = _put("OursDict", frozen(slots=False))
PAIRS = [
    pytest.param(Ours, Usual, id="slots"),
    pytest.param(OursPositional, UsualPositional, id="positional"),
    pytest.param(OursDict, UsualDict, id="dict"),
]


def said(call: Callable[[], object]) -> tuple[str, str]:
    """What a call gives, or refuses, in words that do not depend on which of a pair was asked."""
    try:
        text, how = repr(call()), "gives"
    except (TypeError, AttributeError) as error:
        text, how = str(error), type(error).__name__
    return how, text.replace("Ours", "Usual")


CALLS: Final[dict[str, Callable[[Any], object]]] = {
    "made": lambda kind: kind(name="a"),
    "every argument": lambda kind: kind(name="a", size=1, things=[2], hidden="h", apart=9),
    "an argument is missing": lambda kind: kind(size=1),
    "no argument": lambda kind: kind(),
    "an unknown argument": lambda kind: kind(name="a", nobody=1),
    "what init does not take": lambda kind: kind(name="a", counted=1),
    "one by place": lambda kind: kind("a"),
    "too many by place": lambda kind: kind("a", 1, [], "h", 9, 5),
    "set": lambda kind: setattr(kind(name="a"), "name", "b"),
    "delete": lambda kind: delattr(kind(name="a"), "name"),
    "asdict": lambda kind: dataclasses.asdict(kind(name="a")),
    "astuple": lambda kind: dataclasses.astuple(kind(name="a")),
    "replace": lambda kind: dataclasses.replace(kind(name="a", things=[1]), size=8),
    "replace what is unknown": lambda kind: dataclasses.replace(kind(name="a"), nobody=8),
    "fields": lambda kind: [(each.name, each.type, each.kw_only) for each in dataclasses.fields(kind)],
    "fields of an instance": lambda kind: [each.name for each in dataclasses.fields(kind(name="a"))],
    "parameters": lambda kind: [
        getattr(kind.__dataclass_params__, name) for name in ("init", "repr", "eq", "order", "unsafe_hash", "frozen")
    ],
    "match_args": lambda kind: kind.__match_args__,
    "class variables": lambda kind: (kind.kind, kind(name="a").kind),
    "properties": lambda kind: kind(name="a", size=4).twice,
    "has a dict": lambda kind: hasattr(kind(name="a"), "__dict__"),
    "slots": lambda kind: getattr(kind, "__slots__", None),
    "names": lambda kind: (kind.__name__, kind.__qualname__, kind.__module__, kind.__doc__),
    "names of methods": lambda kind: [
        (getattr(kind, name).__name__, getattr(kind, name).__qualname__)
        for name in ("__init__", "__repr__", "__eq__", "__hash__")
    ],
    "hash": lambda kind: hash(kind(name="a")) == hash(kind(name="a", things=[1], apart=0)),
    "hash value": lambda kind: hash(kind(name="a", size=1)),
    "hash of the unhashable": lambda kind: hash(kind(name=[])),
    "equal": lambda kind: kind(name="a") == kind(name="a", things=[1]),
    "unequal": lambda kind: kind(name="a") == kind(name="a", apart=1),
    "not equal to something else": lambda kind: (kind(name="a") == "a", kind(name="a") != "a"),
    "no order": lambda kind: kind(name="a") < kind(name="b"),
    "signature": lambda kind: str(inspect.signature(kind)).split("things")[0],
    "hints": lambda kind: typing.get_type_hints(kind.__init__),
    "copy": lambda kind: copy.copy(kind(name="a", things=[1])),
    "deepcopy": lambda kind: copy.deepcopy(kind(name="a", things=[1])),
    "encoded": lambda kind: msgspec.json.encode(kind(name="a", things=[1])),
    "decoded": lambda kind: msgspec.json.decode(b'{"name": "a", "things": [4]}', type=kind),
    "is one": lambda kind: (dataclasses.is_dataclass(kind), dataclasses.is_dataclass(kind(name="a"))),
    "is hashable": lambda kind: issubclass(kind, Hashable),
}


@pytest.mark.parametrize(("ours", "usual"), PAIRS)
@pytest.mark.parametrize("call", [pytest.param(call, id=name) for name, call in CALLS.items()])
def test_same_answers(ours: type, usual: type, call: Callable[[Any], object]) -> None:
    assert said(lambda: call(ours)) == said(lambda: call(usual))


@pytest.mark.parametrize("kind", [Ours, OursPositional, OursDict])
def test_nothing_is_added(kind: Any) -> None:
    # `dataclass` says so, too, but where there are slots it stumbles over the class that it has replaced.
    thing = kind(name="a")
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'nobody'"):
        thing.nobody = 1
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'nobody'"):
        del thing.nobody


@pytest.mark.parametrize(("ours", "usual"), PAIRS)
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickled(ours: Any, usual: Any, protocol: int) -> None:
    thing = ours(name="a", things=[1], apart=2)
    back = pickle.loads(pickle.dumps(thing, protocol))
    assert type(back) is ours
    assert (back, back.things, back.counted) == (thing, [1], 5)
    assert thing.__reduce_ex__(protocol)[2:] == usual(name="a", things=[1], apart=2).__reduce_ex__(protocol)[2:]


@pytest.mark.parametrize("kind", [pytest.param(Ours, id="slots"), pytest.param(OursDict, id="dict")])
def test_a_default_is_made_for_each(kind: Any) -> None:
    first, second = kind(name="a"), kind(name="a")
    first.things.append(1)
    assert second.things == []
    assert copy.copy(first).things is first.things
    assert copy.deepcopy(first).things is not first.things


def test_methods_are_made_when_they_are_looked_up() -> None:
    made = _put("Ours", frozen)
    names = ("__init__", "__repr__", "__eq__", "__hash__")
    assert not [name for name in names if isinstance(vars(made)[name], FunctionType)]
    thing = made(name="a")
    assert isinstance(vars(made)["__init__"], FunctionType)
    assert not isinstance(vars(made)["__hash__"], FunctionType)
    hash(thing), repr(thing), thing == made(name="a")
    assert all(isinstance(vars(made)[name], FunctionType) for name in names)
    init = vars(made)["__init__"]
    made(name="b")
    assert vars(made)["__init__"] is init


def often(decorate: Callable[[type], Any]) -> Any:
    """A class of fields that are given by their names alone."""

    class Often:
        name: str
        size: int = 3
        things: list[int] = field(default_factory=list)

        def __post_init__(self) -> None:
            if self.size < 0:
                raise TypeError("less than nothing")

    return decorate(Often)


def test_a_class_that_is_made_a_few_times_needs_no_function() -> None:
    ours, usual = often(frozen), often(dataclass(frozen=True, slots=True, kw_only=True))
    for count in (10, 200):
        for number in range(count):
            one, other = ours(name="a", size=number), usual(name="a", size=number)
            assert dataclasses.asdict(one) == dataclasses.asdict(other)
            assert ours(name="b").things is not ours(name="b").things
            assert said(lambda: ours(name="a", size=-1)) == said(lambda: usual(name="a", size=-1))
        assert isinstance(vars(ours)["__init__"], FunctionType) == (count == 200)


@pytest.mark.parametrize("given", [{}, {"name": "a", "colour": 1}], ids=["too few", "too many"])
def test_a_mistake_is_told_as_ever(given: dict[str, Any]) -> None:
    ours, usual = often(frozen), often(dataclass(frozen=True, slots=True, kw_only=True))
    assert said(lambda: ours(**given)) == said(lambda: usual(**given))
    assert said(lambda: ours("a")) == said(lambda: usual("a"))


def test_match_by_place_and_by_name() -> None:
    match OursPositional("a", 4):
        case OursPositional("a", size):
            assert size == 4
        case _:
            pytest.fail("matched nothing")


def _own(decorate: Callable[[type], type]) -> list[Any]:
    class Compared:
        """With a comparison of its own: it gets a hash all the same."""

        name: str

        def __eq__(self, other: object) -> bool:
            return True

    class Hashed:
        """With a hash of its own."""

        name: str

        def __hash__(self) -> int:
            return 12

        def __repr__(self) -> str:
            return "mine"

    class Unhashable:
        """Nobody's key."""

        name: str
        __hash__ = None  # type: ignore[assignment]

    class Made:
        """With a way of its own to be made."""

        name: str

        def __init__(self, name: str) -> None:
            object.__setattr__(self, "name", name * 2)

    class Finished:
        """With a look at itself."""

        name: str

        def __post_init__(self) -> None:
            if not self.name:
                raise TypeError("no name")

    return [decorate(kind) for kind in (Compared, Hashed, Unhashable, Made, Finished)]


@pytest.mark.parametrize("name", ["a", ""])
@pytest.mark.parametrize("place", range(5), ids=["Compared", "Hashed", "Unhashable", "Made", "Finished"])
def test_what_a_class_defines_stays(place: int, name: str) -> None:
    def answers(decorate: Callable[[type], type]) -> list[tuple[str, str]]:
        kind: Any = _own(decorate)[place]
        return [
            said(lambda: kind(name=name)),
            said(lambda: hash(kind(name=name))),
            said(lambda: kind(name=name) == 3),
            said(lambda: kind(name=name) == kind(name="other")),
        ]

    assert answers(frozen) == answers(dataclass(frozen=True, slots=True, kw_only=True))


@pytest.mark.parametrize("method", ["__setattr__", "__delattr__"])
def test_frozen_is_frozen(method: str) -> None:
    with pytest.raises(TypeError, match="attributes in a way of its own"):
        frozen(type("Melting", (), {method: lambda *_: None}))


@frozen
class Base:
    """What others are made from."""

    name: str
    size: int = 1
    things: tuple[int, ...] = field(default_factory=tuple)


@frozen
class Derived(Base):
    """Made from another one."""

    more: str = "m"
    size: int = 2


class Bare(Base):
    """No dataclass itself: it has room for attributes of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsualDerived(Base):
    """An ordinary one made from ours."""

    more: str = "m"
    size: int = 2


@pytest.mark.parametrize("kind", [Derived, UsualDerived])
def test_inherits_fields_and_defaults(kind: Any) -> None:
    thing = kind(name="a")
    assert repr(thing) == f"{kind.__name__}(name='a', size=2, things=(), more='m')"
    assert (thing == kind(name="a"), thing == Base(name="a", size=2), hash(thing)) == (
        True,
        False,
        hash(("a", 2, (), "m")),
    )
    assert not hasattr(thing, "__dict__")
    for name in ("name", "more"):
        with pytest.raises(FrozenInstanceError, match=f"cannot assign to field '{name}'"):
            setattr(thing, name, "b")
    assert pickle.loads(pickle.dumps(thing)) == thing
    assert isinstance(thing, Base)


def test_a_bare_subclass() -> None:
    thing: Any = Bare(name="a")
    thing.note = "kept"
    assert (repr(thing), thing.note) == ("Bare(name='a', size=1, things=())", "kept")
    assert thing != Base(name="a")
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'name'"):
        thing.name = "b"
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'size'"):
        del thing.size
    del thing.note
    assert not hasattr(thing, "note")


def test_frozen_and_mutable_do_not_mix() -> None:
    mutable: Callable[[type], Any] = dataclass
    with pytest.raises(TypeError, match="cannot inherit non-frozen"):
        mutable(type("Sub", (Base,), {}))
    base = mutable(type("Mutable", (), {"__annotations__": {"name": "str"}}))
    with pytest.raises(TypeError, match="cannot inherit frozen"):
        frozen(type("Sub", (base,), {}))


@frozen
class Box(Generic[What]):
    """Holds one."""

    what: What


@frozen(slots=False)
class Counting:
    """Computes once."""

    numbers: tuple[int, ...]

    @cached_property
    def total(self) -> int:
        return sum(self.numbers)


@frozen
class Nothing:
    """Has no field."""


@frozen
class Odd:
    """Fields of names that methods use, too."""

    self: int
    other: int = 1
    cls: list[int] = field(default_factory=list)
    hash: int = 2


def test_kinds_of_classes() -> None:
    assert Box[int](what=3) == Box(what=3)
    counting = Counting(numbers=(1, 2))
    assert (counting.total, counting.total, counting) == (3, 3, Counting(numbers=(1, 2)))
    assert (repr(Nothing()), Nothing() == Nothing(), hash(Nothing())) == ("Nothing()", True, hash(()))
    odd = Odd(self=4)
    assert repr(odd) == "Odd(self=4, other=1, cls=[], hash=2)"
    assert odd == Odd(self=4, cls=[])
    holder: list[object] = []
    round_about = Box[object](what=holder)
    holder.append(round_about)
    assert repr(round_about) == "Box(what=[...])"
    nan = float("nan")
    assert Box(what=nan) == Box(what=nan)


NAMES: Final = ("a", "b", "c", "self", "hash", "object", "fields", "value")


@st.composite
def bodies(draw: st.DrawFn) -> tuple[dict[str, dict[str, Any]], bool, bool]:
    """Arguments of `field` by name, in an order that a class may have them in; kw_only and slots of the class."""
    kw_only = draw(st.booleans())
    listed = []
    for name in draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=5)):
        options: dict[str, Any] = draw(
            st.fixed_dictionaries(
                {},
                optional={
                    **{option: st.booleans() for option in ("repr", "compare", "kw_only", "init")},
                    "hash": st.sampled_from([True, False, None]),
                },
            )
        )
        options |= draw(st.sampled_from([{}, {"default": 3}, {"default_factory": list}]))
        listed.append((name, options))
    # A field without a default may not come after one with it, where both are given by place.
    listed.sort(
        key=lambda item: not options_kw_only(item[1], kw_only) and bool({"default", "default_factory"} & set(item[1]))
    )
    return dict(listed), kw_only, draw(st.booleans())


def options_kw_only(options: dict[str, Any], kw_only: bool) -> bool:
    """Whether a field is given by name only."""
    return bool(options.get("kw_only", kw_only)) or options.get("init") is False


def of(body: dict[str, dict[str, Any]], decorate: Callable[[type], Any]) -> Any:
    """A class of these fields."""
    namespace: dict[str, Any] = {name: field(**options) for name, options in body.items()}
    return decorate(
        type("Thing", (), namespace | {"__annotations__": dict.fromkeys(body, "int"), "__doc__": "A thing."})
    )


def traits(kind: Any, by_place: list[int], by_name: dict[str, int]) -> list[Any]:
    """Everything that a call of the class, and what it gives, tells of it."""
    made = said(
        lambda: (lambda thing: [getattr(thing, name, "nothing") for name in kind.__dataclass_fields__])(
            kind(*by_place, **by_name)
        )
    )
    return [
        made,
        kind.__match_args__,
        said(lambda: kind(*by_place, **by_name)),
        said(lambda: hash(kind(*by_place, **by_name))),
        said(lambda: kind(*by_place, **by_name) == kind(*by_place, **by_name)),
        said(lambda: kind(*by_place, **by_name) == kind(*by_place, **dict.fromkeys(by_name, 3))),
        said(lambda: copy.deepcopy(kind(*by_place, **by_name))),
        said(lambda: dataclasses.asdict(kind(*by_place, **by_name))),
    ]


@given(
    bodies(),
    st.lists(st.integers(0, 3), max_size=4),
    st.dictionaries(st.sampled_from((*NAMES, "nobody")), st.integers(0, 3), max_size=6),
)
def test_any_fields_any_arguments(
    made: tuple[dict[str, dict[str, Any]], bool, bool], by_place: list[int], by_name: dict[str, int]
) -> None:
    body, kw_only, slots = made
    by_name.pop("self", None) if "self" not in body else None
    ours = of(body, frozen(kw_only=kw_only, slots=slots))
    usual = of(body, dataclass(frozen=True, kw_only=kw_only, slots=slots))
    assert traits(ours, by_place, by_name) == traits(usual, by_place, by_name)
    complete = {name: 1 for name in body if body[name].get("init", True)}
    assert traits(ours, [], complete) == traits(usual, [], complete)
    # Whoever looks at it gets a function; until then, and a few times only, instances may be made without one.
    assert isinstance(ours.__init__, FunctionType)
    assert traits(ours, by_place, by_name) == traits(usual, by_place, by_name)
    assert traits(ours, [], complete) == traits(usual, [], complete)


def _frozen_the_usual_way(path: Path) -> list[str]:
    return [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dataclass"
        if "frozen" in {keyword.arg for keyword in node.keywords}
        and not {"order", "eq", "unsafe_hash"} & {keyword.arg for keyword in node.keywords}
    ]


def test_every_frozen_class_is_made_this_way() -> None:
    paths = [path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "frozen.py"]
    assert [place for path in paths for place in _frozen_the_usual_way(path)] == []
