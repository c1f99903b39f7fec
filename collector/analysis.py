"""The engine: attribution, detections and correlations as one fold that replays to the same alerts."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from time import perf_counter_ns
from typing import Any

import msgspec

from evidence.event import Event
from evidence.kind import Body
from evidence.kinds.collector import Act

from . import risk
from .alert import Alert
from .alerts import telling
from .alerts.raising import to_alert
from .attribution import attribution
from .attribution.attribution import Attribution
from .bounded import remember
from .organisation.known import Known
from .organisation.whole import assemble
from .pipeline.sharing import shared
from .record import Arrival, Origin, Person, Record, SessionRevision
from .rule import (
    Correlation,
    Detection,
    Finding,
    Rule,
    Site,
    nothing_from_arrivals,
    nothing_from_sessions,
    nothing_from_time,
)
from .rules import budgets, costs, own_rules, quarantine, rule_folders, rulebook, runaway
from .rules.costs import Measured, Meter, ViewCost
from .rules.routes import Ask, Asked, Routes
from .rules.rulebook import Book
from .settings import Detection as DetectionSettings
from .sigma import force
from .sigma.document import Rule as SigmaRule
from .sigma.force import Force
from .sigma.judge import Clock
from .sigma.ruleset import Ruleset

_VIEWS_LIMIT = 10_000


class _Dump(msgspec.Struct):
    attribution: msgspec.Raw
    correlations: dict[str, msgspec.Raw]
    telling: telling.State
    risk: risk.State
    book: Book = Book()
    budgets: budgets.State = msgspec.field(default_factory=budgets.State)
    sigma: force.State = msgspec.field(default_factory=force.State)
    quarantine: quarantine.State = msgspec.field(default_factory=quarantine.State)


class Analysis:
    """Implements `engine.Engine` over the rules in `detections/` and `correlations/`."""

    def __init__(
        self,
        settings: DetectionSettings,
        known: Known | None = None,
        sigma: Ruleset | None = None,
        *,
        site_rules: Sequence[Detection] = (),
        clock: Clock = perf_counter_ns,
    ) -> None:
        """Load the rules, and site_rules; known is what the operator tells, otherwise only what settings do.

        By clock it is measured what rules cost, which decides nothing.
        """
        self.site = site(settings, known)
        self._told, self._book = self.site.parameters, Book()
        self._views: dict[tuple[str, str | None], Site] = {}
        ports = self.site.words("attribution", attribution.SSH_PORTS)
        self._attribution = Attribution(self.site.known, frozenset(int(p) for p in ports if p.isdecimal()))
        self._correlations = rule_folders.correlations()
        self._site_rules = tuple(site_rules)
        self._detections = [*rule_folders.detections(), *self._site_rules]
        self._states: dict[str, Any] = {rule.id: rule.state() for rule in self._correlations}
        self._by_kind = self._routes()
        self._telling, self._risk, self._budgets = telling.State(), risk.State(), budgets.State()
        self._quarantine = quarantine.State()
        self._revised: list[SessionRevision] = []
        self._clock, self._meter = clock, Meter()
        self._sigma = Force(sigma or Ruleset(), clock)
        self._decided = force.Decided(self._is_off, self._site_for)

    def step(
        self, origin: Origin, events: Sequence[Event[Body]], now: int
    ) -> tuple[list[Person | None], list[Alert]]:
        """Return who is behind each event of one batch, and the alerts that arose; now is UTC ns."""
        alerts = self._decide(events, origin, now)
        # One thing for all events after another: code and tables of each stay in the processor's cache.
        attribute, rules_of, judge = self._attribution.attribute, self._wanted.of, self._judge
        persons = [attribute(origin, event) for event in events]
        matches = self._matching(events)
        agent, epoch, boot, host = origin.agent, origin.epoch, origin.boot, origin.host
        index, received, skew, left = origin.index, origin.received, origin.skew, self._meter.left
        for at, event in enumerate(events):
            rules = rules_of(event.body)
            if rules:
                record = Record(agent, epoch, boot, host, index, received, event, persons[at], skew)
                left -= 1
                if left:
                    judge(rules, record, now, alerts)
                else:
                    left = costs.EVERY
                    self._measure(rules, record, now, alerts)
            if at in matches:
                self._match(matches[at], _record(origin, event, persons[at]), now, alerts)
        self._meter.left = left
        for session in self._attribution.revisions(now):
            self._revised.append(session)
            alerts.extend(self._judge_session(session, now))
        return persons, alerts

    def _matching(self, events: Sequence[Event[Body]]) -> dict[int, tuple[SigmaRule, ...] | Exception]:
        """Return by their places the Sigma rules that events match, or why that cannot be told of one."""
        judge, bodies = self._sigma.judge, [event.body for event in events]
        found: dict[int, tuple[SigmaRule, ...] | Exception] = {}
        try:
            found |= judge.each(bodies)
        except Exception:  # noqa: BLE001 - an event that cannot be judged must not hide the others
            for at, body in enumerate(bodies):
                try:
                    if rules := judge.of(body):
                        found[at] = rules
                except Exception as error:  # noqa: BLE001 - as above
                    found[at] = error
        return found

    def _decide(self, events: Sequence[Event[Body]], origin: Origin, now: int) -> list[Alert]:
        """Take what was decided of rules; an act is a batch of its own, and only the collector has any.

        Return an alert for what no person decided.
        """
        if len(events) != 1 or not isinstance(act := events[0].body, Act):
            return []
        if runaway.is_stale(self._book, act):
            return []
        book = rulebook.apply(self._book, act, events[0].time)
        if book is self._book:
            return []
        self._book = book
        self._refresh(self.site.known)
        if act.user != budgets.AUTHOR:
            return []
        rested = book.state(act.object or "") == "off"
        rule = own_rules.RESTED if rested else own_rules.STAGED
        return [to_alert(rule, own_rules.decided(act, origin, events[0]), now)]

    def broken(self, now: int) -> list[Act]:
        """Return what is to be recorded of rules that broke their budget by now, or failed."""
        return [
            *budgets.broken(self._budgets, self._book, now),
            *quarantine.broken(self._quarantine, self._book),
        ]

    def decided(self) -> Book:
        """Return what people decided of rules, as far as the ledger was read."""
        return self._book

    def _refresh(self, known: Known) -> None:
        """Let rules know what is in force from now on."""
        self.site = Site(rulebook.for_all(self._book, self._told), known)
        self._views = {}
        self._by_kind = self._routes()
        if self._resting() != self._sigma.resting:
            self.enforce(self._sigma.ruleset)

    def _resting(self) -> frozenset[str]:
        """Return the Sigma rules that are at rest."""
        listed = self._sigma.ruleset.everything()
        return frozenset(one.id for one in listed if self._book.state(one.id) == "off")

    def _view(self, host: str, person: Person | None) -> Site:
        """Return the site with what was set for this person and host alone."""
        key = host, person.name if person is not None else None
        view = self._views.get(key)
        if view is None:
            own = rulebook.for_whom(self._book, self.site.parameters, self.site.known, *key)
            view = Site(own, self.site.known)
            remember(self._views, key, view, _VIEWS_LIMIT)
        return view

    def _site_for(self, rule: str, host: str, person: Person | None) -> Site:
        """Return the site with what is set of a rule, on a host, for a person."""
        return self._view(host, person) if rule in self._scoped else self.site

    def _judge_session(self, session: SessionRevision, now: int) -> Iterator[Alert]:
        for rule in self._correlations:
            if rule.revised is nothing_from_sessions or self._book.state(rule.id) == "off":
                continue
            view = self._site_for(rule.id, session.host, session.person)
            begun = self._clock()
            try:
                found = tuple(rule.revised(self._states[rule.id], session, view))
            except Exception as error:  # noqa: BLE001 - a rule that fails must not blind the others
                yield from self._alerts(own_rules.FAULT, (own_rules.fault(rule, session, error),), now)
            else:
                self._meter.worked(rule.id, self._clock() - begun)
                yield from self._alerts(rule, found, now)
        yield from self._alerts(risk.RULE, risk.revised(self._risk, session, risk.limits(self.site)), now)

    def sessions(self) -> list[SessionRevision]:
        """Return what has become known of sessions since this was asked last. Called after each batch."""
        revised, self._revised = self._revised, []
        return revised

    def _judge(self, rules: Sequence[Asked], record: Record, now: int, alerts: list[Alert]) -> None:
        """Add to alerts what the rules make of an event."""
        site = self.site
        for rule, ask in rules:
            try:
                answer = ask(record, site)
                if not answer:
                    continue  # nearly always
                found = (answer,) if isinstance(answer, Finding) else tuple(answer)
            except Exception as error:  # noqa: BLE001 - a rule that fails must not blind the others
                if rule in self._site_rules:
                    quarantine.note(self._quarantine, self._book, rule.id, record.uid, error)
                alerts.extend(self._alerts(own_rules.FAULT, (own_rules.fault(rule, record, error),), now))
            else:
                alerts.extend(self._alerts(rule, [_placed(one, record) for one in found], now))

    def _measure(self, rules: Sequence[Asked], record: Record, now: int, alerts: list[Alert]) -> None:
        """Do what `_judge` does, and note how long each rule takes."""
        for one in rules:
            begun = self._clock()
            self._judge((one,), record, now, alerts)
            self._meter.judged(one[0].id, self._clock() - begun)

    def _match(
        self, rules: Sequence[SigmaRule] | Exception, record: Record, now: int, alerts: list[Alert]
    ) -> None:
        """Add to alerts what Sigma rules that match an event, and correlations over them, have to say."""
        if isinstance(rules, Exception):
            alerts.extend(self._sigma_failed(record, rules, now))
            return
        try:
            for rule, one in self._sigma.told(rules, record, self._decided):
                alerts.extend(self._alerts(rule, (_placed(one, record),), now))
        except Exception as error:  # noqa: BLE001 - as above
            alerts.extend(self._sigma_failed(record, error, now))

    def _sigma_failed(self, record: Record, error: Exception, now: int) -> Iterator[Alert]:
        return self._alerts(own_rules.FAULT, (own_rules.fault(own_rules.SIGMA, record, error),), now)

    def _is_off(self, rule: str) -> bool:
        return self._book.state(rule) == "off"

    def arrived(self, arrivals: Sequence[Arrival], now: int) -> list[Alert]:
        """Return the alerts that chains themselves give: forks, equivocation. Called before step."""
        return [
            alert
            for arrival in arrivals
            for rule in self._awake()
            if rule.arrived is not nothing_from_arrivals
            for alert in self._alerts(rule, rule.arrived(self._states[rule.id], arrival, self.site), now)
        ]

    def tick(self, now: int) -> list[Alert]:
        """Return alerts that arise because something did not happen by now."""
        found = [
            alert
            for rule in self._awake()
            if rule.passed is not nothing_from_time
            for alert in self._alerts(rule, self._passed(rule, now), now)
        ]
        for of, one in self._sigma.passed(now, self._decided):
            found.extend(self._alerts(of, (one,), now))
        return [*found, *telling.passed(self._telling, now)]

    def _passed(self, rule: Correlation, now: int) -> tuple[Finding, ...]:
        begun = self._clock()
        found = tuple(rule.passed(self._states[rule.id], now, self.site))
        self._meter.worked(rule.id, self._clock() - begun)
        return found

    def learn(self, known: Known) -> None:
        """Take what the operator tells from now on; nothing that was remembered is lost."""
        self._attribution.know(known)
        self._refresh(known)

    def enforce(self, ruleset: Ruleset) -> None:
        """Take the Sigma rules that are in force from now on; of those that stay nothing is forgotten."""
        resting = {rule for rule, one in self._book.standings.items() if one.state == "off"}
        former = self._sigma
        self._sigma = Force(ruleset, self._clock, former.state, resting=resting, costs=former.costs)

    def adopt(self, site_rules: Sequence[Detection]) -> None:
        """Take the site's own detections that are in force from now on."""
        self._site_rules = tuple(site_rules)
        self._detections = [*rule_folders.detections(), *self._site_rules]
        self._by_kind = self._routes()

    def measured(self) -> Measured:
        """Return what rules cost since the start; no part of the state, and nothing is decided by it here."""
        rules: list[Rule] = [*self._detections, *self._correlations]
        own = [(rule.id, rule.title, rule in self._site_rules) for rule in rules]
        looked = self._sigma.costs
        sigma = [
            self._meter.sigma(one.id, one.title, looked[one.id].looks, looked[one.id].spent)
            for one in self._sigma.ruleset.everything()
            if one.id in looked
        ]
        views = [ViewCost(*counted) for counted in self._sigma.judge.counted()]
        return Measured((*self._meter.own(own), *sigma), tuple(views))

    def dump(self) -> bytes:
        """Return the whole state, to be stored with a ledger position."""
        # All at once, into one buffer: of parts packed before it there would be a copy each at the same time.
        return msgspec.msgpack.encode(
            {
                "attribution": self._attribution.state,
                "correlations": self._states,
                "telling": self._telling,
                "risk": self._risk,
                "book": self._book,
                "budgets": self._budgets,
                "sigma": self._sigma.state,
                "quarantine": self._quarantine,
            }
        )

    def load(self, state: bytes) -> None:
        """Take a state that `dump` gave; a rule that is new since then starts empty."""
        stored, known = msgspec.msgpack.decode(state, type=_Dump), dict[type, dict[Any, Any]]()
        attributed = msgspec.msgpack.decode(stored.attribution, type=attribution.State)
        self._attribution.load(shared(attributed, known))
        for rule in self._correlations:
            if rule.id in stored.correlations:
                own = msgspec.msgpack.decode(stored.correlations[rule.id], type=rule.state)
                self._states[rule.id] = shared(own, known)
        self._telling, self._risk, self._book = shared(stored.telling, known), stored.risk, stored.book
        self._budgets, self._quarantine = stored.budgets, stored.quarantine
        self._sigma.load(stored.sigma)
        self._refresh(self.site.known)

    def _awake(self) -> list[Correlation]:
        """Return the correlations that nobody put to rest."""
        return [rule for rule in self._correlations if self._book.state(rule.id) != "off"]

    def _routes(self) -> dict[type[Body], tuple[Asked, ...]]:
        """Return by kind the rules that want it, each with how it is asked, its state included."""
        routes: dict[type[Body], tuple[Asked, ...]] = {}
        self._scoped = self._book.scoped()
        made: list[Asked] = [(rule, rule.find) for rule in self._detections]
        made += [(rule, functools.partial(rule.step, self._states[rule.id])) for rule in self._awake()]
        asked = [(rule, self._asked(rule, ask)) for rule, ask in made if self._book.state(rule.id) != "off"]
        for one in asked:
            for kind in one[0].kinds:
                routes[kind] = (*routes.get(kind, ()), one)
        self._wanted = Routes(routes, self.site)
        return routes

    def _asked(self, rule: Rule, ask: Ask) -> Ask:
        """Return how a rule is asked: with what holds for all, or for the person and host at hand."""
        if rule.id not in self._scoped:
            return ask
        return lambda record, _site: ask(record, self._view(record.host, record.person))

    def _alerts(self, rule: Rule, findings: Iterable[Finding], now: int) -> Iterator[Alert]:
        per_hour = int(self.site.number(telling.RULE.id, telling.PER_HOUR))
        of_event = isinstance(rule, Detection)
        staged = self._book.state(rule.id) == "staged"
        for finding in findings:
            self._meter.found(rule.id)
            alert = to_alert(rule, finding, now, staged=staged)
            for told in telling.tell(self._telling, alert, now, per_hour, of_event=of_event):
                budgets.count(self._budgets, self._book, told, now)
                yield told
            if staged:
                continue
            for crossed in risk.found(self._risk, alert, risk.limits(self.site)):
                yield from telling.tell(self._telling, to_alert(risk.RULE, crossed, now), now, per_hour)


def _record(origin: Origin, event: Event[Body], person: Person | None) -> Record:
    at = (origin.agent, origin.epoch, origin.boot, origin.host, origin.index, origin.received)
    return Record(*at, event, person, origin.skew)


def _placed(finding: Finding, record: Record) -> Finding:
    """Return the finding with the boot of the event that was judged, if it is about that host."""
    if finding.boot is not None or finding.agent != record.agent:
        return finding
    return msgspec.structs.replace(finding, boot=record.boot)


def site(settings: DetectionSettings, known: Known | None = None, book: Book | None = None) -> Site:
    """Return what the rules may know: the settings, what was set at work, and what the operator tells.

    Raises:
        SettingsError: the settings contradict themselves, or a known destination is no network.
    """
    own = rulebook.for_all(book or Book(), settings.parameters)
    return Site(own, known or Known(assemble((), settings)))
