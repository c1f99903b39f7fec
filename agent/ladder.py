"""Climb a sensor's ladder: open a rung, trigger it, look; if it does not see its trigger, take the next."""

from __future__ import annotations

from collections.abc import Callable

from evidence.kinds.agent import SensorHealth

from .errors import RungUnavailable
from .live_feed import Climbed
from .sensor import Context, Feed, Observed, Rung, Sensor

PATIENCE = 2_000_000_000
"""Nanoseconds within which a feed must see its trigger."""

AUTO = "auto"

Wait = Callable[[Feed], None]
"""Waits until a feed has a readable descriptor or its period is over, a fraction of a second at most."""


def climb(sensor: Sensor, context: Context, wait: Wait, choice: str = AUTO) -> Climbed:
    """Return the first rung of sensor that works, with all that was tried and all that was seen meanwhile.

    choice names the only rung to try; AUTO tries all of them, best first.
    """
    absent = sensor.absent() or sensor.unused(context.settings)
    if absent is not None:
        return Climbed(None, None, (SensorHealth(rung="none", works=False, reason=absent),), applies=False)
    tried: list[SensorHealth] = []
    rungs = [rung for rung in sensor.rungs if choice in (AUTO, rung.name)]
    if not rungs:
        names = ", ".join(rung.name for rung in sensor.rungs)
        fix = f"set [{sensor.name}] rung to auto or one of: {names}"
        return Climbed(None, None, (SensorHealth(rung=choice, works=False, reason="no such rung", fix=fix),))
    for rung in rungs:
        try:
            feed, seen = _prove(rung, context, wait)
        except RungUnavailable as refused:
            tried.append(SensorHealth(rung=rung.name, works=False, reason=refused.reason, fix=refused.fix))
        except Exception as error:  # noqa: BLE001 - a defect of one rung must not cost the next one
            tried.append(SensorHealth(rung=rung.name, works=False, reason=f"{type(error).__name__}: {error}"))
        else:
            tried.append(SensorHealth(rung=rung.name, works=True))
            return Climbed(feed, rung.name, tuple(tried), tuple(seen))
    return Climbed(None, None, tuple(tried))


def _prove(rung: Rung, context: Context, wait: Wait) -> tuple[Feed, list[Observed]]:
    """Open a rung and look at its own trigger; return what else was seen.

    Raises:
        RungUnavailable: it does not open, or does not see its trigger in time.
    """
    feed = rung.open(context)
    try:
        return feed, _see_trigger(feed, context, wait)
    except BaseException:
        feed.close()
        raise


def _see_trigger(feed: Feed, context: Context, wait: Wait) -> list[Observed]:
    """Return what was seen besides the trigger until it came.

    Raises:
        RungUnavailable: it did not come in time.
    """
    accept = feed.trigger()
    seen: list[Observed] = []
    until = context.clock().mono + PATIENCE
    while context.clock().mono < until:
        wait(feed)
        came = list(feed.read(context.clock()))
        rest = [one for one in came if not accept(one.body)]
        seen += rest
        if len(rest) < len(came):
            return seen
    raise RungUnavailable("it opened but did not see its own trigger in time")
