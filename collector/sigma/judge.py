"""Which rules match an event: by view, from memory where the same was judged before, else prefiltered. Pure.

The memory is exact: its key is what of the event the rules of a view look at, and nothing else of it. Where
a kind has several views, what of it may match any of them is looked up first, attribute by attribute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any

import msgspec

from evidence.kind import Body, kind_of

from ..bounded import add
from . import tree
from .compile import Places, Test, compiled
from .decide import reduced, views_of
from .document import Rule
from .look import Looks
from .prefilter import Prefilter
from .view import Basis, Field, View

LIMIT = 20_000
"""What is remembered of one view."""
Clock = Callable[[], int]
"""Nanoseconds of some clock that only goes on."""


class Matched(msgspec.Struct, frozen=True):
    """A rule that matches an event, the view it was seen in, what it was judged by, and the whole record."""

    rule: Rule
    view: View
    values: dict[str, str]
    text: str | None = None


class Cost(msgspec.Struct):
    """What a rule cost: how often it was looked at, how often it matched, and the nanoseconds that took."""

    looks: int = 0
    matches: int = 0
    spent: int = 0


class Count(msgspec.Struct):
    """How often a view was asked, and answered from memory."""

    asked: int = 0
    remembered: int = 0


class Panel:
    """The rules of one view."""

    def __init__(
        self, view: View, rules: Sequence[tuple[Rule, tree.Node]], costs: dict[str, Cost], clock: Clock
    ) -> None:
        """Compile the rules, each with what the view leaves of its condition."""
        self.view, self.count = view, Count()
        self.rules = tuple(rule for rule, _node in rules)
        nodes = [node for _rule, node in rules]
        self._names = tuple(dict.fromkeys(name for node in nodes for name in tree.fields(node)))
        fields = [_must(view, name) for name in self._names]
        places: dict[str | None, int] = {name: at for at, name in enumerate(self._names)}
        if any(tree.has_keywords(node) for node in nodes):
            places[None] = len(fields)
            fields.append(view.text)
        self.bases: tuple[Basis, ...] = tuple(dict.fromkeys(field.basis for field in fields))
        self._row, self._key = _reader(fields)
        self._tests = _tests(nodes, places)
        self._costs = [costs.setdefault(rule.id, Cost()) for rule in self.rules]
        self._prefilter = Prefilter([(node, places) for node in nodes])
        self.wanting = tuple((node, dict(zip((*self._names, None), fields, strict=False))) for node in nodes)
        self._memory: dict[Any, tuple[Rule, ...]] = {}
        self._clock = clock

    def of(self, body: Any) -> tuple[Rule, ...]:
        """Return the rules that match a body of the view's kinds."""
        if not self.view.has(body):
            return ()
        key = self._key(body)
        self.count.asked += 1
        found = self._memory.get(key)
        if found is not None:
            self.count.remembered += 1
            return found
        found = self._judge(self._row(key))
        add(self._memory, key, found, LIMIT)
        return found

    def _judge(self, texts: list[str | None]) -> tuple[Rule, ...]:
        numbers = self._prefilter.candidates(texts)
        if not numbers:
            return ()  # nearly always
        lower = [text.lower() if text is not None else None for text in texts]
        found: list[Rule] = []
        for number in numbers:
            begun = self._clock()
            matches = self._tests[number](texts, lower)
            cost = self._costs[number]
            cost.looks += 1
            cost.spent += self._clock() - begun
            if matches:
                cost.matches += 1
                found.append(self.rules[number])
        return tuple(found)

    def values(self, body: Any) -> dict[str, str]:
        """Return the fields that the rules look at, as texts; the view's constants too."""
        row = self._row(self._key(body))
        told = {name: text for name, text in zip(self._names, row, strict=False) if text is not None}
        return dict(self.view.fixed) | told


def _tests(nodes: Iterable[tree.Node], places: Places) -> list[Test]:
    return [compiled(node, places) for node in nodes]


def told(field: Field, body: Any) -> str | None:
    """Return a field's text of a body."""
    basis = field.basis
    return field.show(getattr(body, basis) if isinstance(basis, str) else basis(body))


def _must(view: View, name: str) -> Field:
    field = view.field(name)
    if field is None:
        raise ValueError(f"view {view.name} has no field {name}")
    return field


def _reader(fields: Sequence[Field]) -> tuple[Callable[[Any], list[str | None]], Callable[[Any], Any]]:
    """Return a function from a key to the texts of fields, and one from a body to the key."""
    bases = list(dict.fromkeys(field.basis for field in fields))
    attributes = [basis for basis in bases if isinstance(basis, str)]
    functions = [basis for basis in bases if not isinstance(basis, str)]
    order = {basis: at for at, basis in enumerate([*attributes, *functions])}
    shown = [(field.show, order[field.basis]) for field in fields]
    key = _key(attributes, functions)
    if len(order) == 1:
        return (lambda only: [show(only) for show, _at in shown]), key
    return (lambda parts: [show(parts[at]) for show, at in shown]), key


def _key(  # noqa: PLR0911 - one for each way that is faster
    attributes: list[str], functions: list[Callable[[Any], Any]]
) -> Callable[[Any], Any]:
    if not attributes and not functions:
        return lambda _body: ()
    if not functions:
        return attrgetter(*attributes)
    if not attributes:
        first, *rest = functions
        return first if not rest else lambda body: tuple([one(body) for one in functions])
    if len(attributes) == 1:
        get, single = attrgetter(attributes[0]), functions[0]
        if len(functions) == 1:
            return lambda body: (get(body), single(body))
        return lambda body: (get(body), *[one(body) for one in functions])
    gets = attrgetter(*attributes)
    if len(functions) == 1:  # as for executions: their parent
        only = functions[0]
        return lambda body: (*gets(body), only(body))
    return lambda body: (*gets(body), *[one(body) for one in functions])


class Together:
    """The panels of one kind, prefiltered at once; those with a rule that is left are asked."""

    def __init__(self, panels: Sequence[Panel]) -> None:
        self.panels, self.count = tuple(panels), Count()
        wanting = [(one, panel) for panel in panels for one in panel.wanting]
        self._panel_of = [panel for _one, panel in wanting]
        self._looks = Looks([one for one, _panel in wanting]).of

    def of(self, bodies: Sequence[Any]) -> dict[int, tuple[Rule, ...]]:
        """Return the rules that match bodies, each once, by the places of those that any matches."""
        if len(self.panels) == 1:
            only = self.panels[0]
            return {at: rules for at, body in enumerate(bodies) if (rules := only.of(body))}
        kept, remembered = self._looks(bodies)
        self.count.asked += len(bodies)
        self.count.remembered += remembered
        asked = [(at, self._judge(numbers, bodies[at])) for at, numbers in kept.items()]
        return {at: rules for at, rules in asked if rules}

    def _judge(self, numbers: Sequence[int], body: Any) -> tuple[Rule, ...]:
        asked = dict.fromkeys(self._panel_of[number] for number in numbers)
        return tuple({rule.id: rule for panel in asked for rule in panel.of(body)}.values())


class Judge:
    """All rules of single events, by the kinds of events that they are about."""

    def __init__(self, rules: Iterable[Rule], clock: Clock, costs: dict[str, Cost] | None = None) -> None:
        """Compile rules; those that no view can ever match are asked nowhere. costs is gone on with."""
        self.costs: dict[str, Cost] = costs if costs is not None else {}
        by_view: dict[str, list[tuple[Rule, tree.Node]]] = {}
        views: dict[str, View] = {}
        for rule in rules:
            for view in views_of(rule.logsource):
                node = reduced(view, rule.condition)
                if node != tree.FALSE:
                    views[view.name] = view
                    by_view.setdefault(view.name, []).append((rule, node))
        self.panels = [Panel(views[name], of, self.costs, clock) for name, of in by_view.items()]
        kinds = dict.fromkeys(kind for panel in self.panels for kind in panel.view.kinds)
        self.by_kind: dict[type[Body], Together] = {
            kind: Together([panel for panel in self.panels if kind in panel.view.kinds]) for kind in kinds
        }

    def counted(self) -> Iterator[tuple[str, int, int, int]]:
        """Yield name, rules, times asked and times remembered: of each kind with several views, and of those.

        A view is asked what its kind neither remembers nor rules out.
        """
        for kind, together in self.by_kind.items():
            if len(together.panels) > 1:
                rules = {rule.id for panel in together.panels for rule in panel.rules}
                yield kind_of(kind), len(rules), together.count.asked, together.count.remembered
        for panel in self.panels:
            yield panel.view.name, len(panel.rules), panel.count.asked, panel.count.remembered

    def of(self, body: Body) -> tuple[Rule, ...]:
        """Return the rules that match a body, each once."""
        return self.each((body,)).get(0, ())

    def each(self, bodies: Sequence[Body]) -> dict[int, tuple[Rule, ...]]:
        """Return the rules that match bodies, each once, by the places of those that any matches."""
        found: dict[int, tuple[Rule, ...]] = {}
        kinds = list(map(type, bodies))
        for kind in self.by_kind.keys() & set(kinds):
            places = [at for at, one in enumerate(kinds) if one is kind]
            matched = self.by_kind[kind].of([bodies[at] for at in places])
            found |= {places[at]: rules for at, rules in matched.items()}
        return found

    def matched(self, body: Body) -> list[Matched]:
        """Return the rules that match a body, with what they were judged by, in each view."""
        together = self.by_kind.get(type(body))
        return [
            Matched(rule, panel.view, panel.values(body), told(panel.view.text, body))
            for panel in (together.panels if together is not None else ())
            for rule in panel.of(body)
        ]
