"""Examples beside a rule, in Sigma's fields: hits that it must match, misses that it must not. Pure."""

from __future__ import annotations

from .decide import views_of
from .document import Example, Rule
from .judge import Judge


def failure(rule: Rule) -> str | None:
    """Return which example the rule does not keep; None where it keeps all."""
    if not rule.examples:
        return None
    judge = Judge((rule,), lambda: 0)
    for number, example in enumerate(rule.examples, start=1):
        if matches(judge, rule, example) is not example.matches:
            said = "a hit that it does not match" if example.matches else "a miss that it matches"
            return f"example {number} is {said}"
    return None


def matches(judge: Judge, rule: Rule, example: Example) -> bool:
    """Return whether a rule matches the event that an example tells, in any of its views."""
    return any(
        judge.of(view.body(example.fields))
        for view in views_of(rule.logsource)
        if all(example.fields.get(name, text) == text for name, text in view.fixed.items())
    )
