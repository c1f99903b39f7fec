"""The collector as its own agent: what people do at it is sealed with its own key. Pure.

An act rides the priority lane, one statement each, so that its result is shown as soon as it is durable.
"""

from __future__ import annotations

import msgspec

from evidence import event, seal
from evidence.checkpoint import Checkpoint
from evidence.keys import Signer
from evidence.kinds.collector import Act
from evidence.seal import Circumstances, Place, SealedBatch
from evidence.statement import Head, Seen

from .chains import Chains
from .registry import Epoch


class Moment(msgspec.Struct, frozen=True):
    """When an act happens: UTC ns, ns since boot, and the boot id; version is the collector's."""

    time: int
    mono: int
    boot: str
    version: str


def seal_act(
    act: Act, moment: Moment, *, epoch: Epoch, chains: Chains, seen: Checkpoint, signer: Signer
) -> SealedBatch:
    """Return act as the next statement of the collector's own priority lane; epoch and signer are its own.

    Raises:
        TooLarge: the act does not fit into a batch.
    """
    stamped = event.stamp(act, seq=chains.last_event(epoch) + 1, time=moment.time, mono=moment.mono)
    place = Place(
        agent=epoch.agent,
        epoch=epoch.epoch,
        lane="priority",
        lane_head=Head(*chains.head(epoch, "priority")),
        other_head=Head(*chains.head(epoch, "bulk")),
    )
    around = Circumstances(
        boot=moment.boot,
        time=moment.time,
        mono=moment.mono,
        version=moment.version,
        seen=Seen(seen.size, seen.root.hex()),
    )
    return seal.seal([stamped], place, around, signer)
