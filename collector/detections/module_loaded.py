"""A person loaded a kernel module: it has all power, and can hide itself and others.

Modules that the kernel asks for, and those of services and of the boot, are loaded under no login identity.
"""

from __future__ import annotations

from evidence.kind import Actor
from evidence.kinds.act import Module

from ..one_event import finding, program, who
from ..record import Record
from ..rule import Detection, Finding, Parameter, Site, Step, Story

_PROGRAMS = Parameter(
    "programs",
    "dpkg rpm dkms apt-get dnf systemd-udevd udevadm dockerd libvirtd VBoxManage",
    "program names",
    "these load modules as their duty, also for a person",
)
_MODULES = Parameter("modules", "", "module names", "what people of this site load every day")


def _find(record: Record, site: Site) -> Finding | None:
    body = record.event.body
    if not isinstance(body, Module) or body.action != "load" or body.actor is None:
        return None
    actor = body.actor
    if actor.auid is None or program(actor) in site.words(DETECTION.id, _PROGRAMS):
        return None
    if body.name in site.words(DETECTION.id, _MODULES):
        return None
    what = f"the kernel module {body.name}" if body.name else "a kernel module"
    verb = "loaded" if body.done else "was allowed to load"
    return finding(
        record,
        f"{actor.auid}|{body.name or ''}",
        f"{who(record, f'login uid {actor.auid}')} {verb} {what} on {record.host}, "
        f"with {actor.exe or 'an unknown program'}",
        module=body.name or "",
    )


_INSMOD = Actor(pid=50, exe="/usr/bin/kmod", uid=0, auid=1000, session=7)
_MODPROBE = Actor(pid=51, exe="/usr/bin/kmod", uid=0)


def _load(actor: Actor, name: str | None = "r00t", *, done: bool | None = True) -> tuple[Step, ...]:
    return (Step(0, Module(action="load", name=name, actor=actor, done=done)),)


DETECTION = Detection(
    id="module-loaded",
    version=1,
    title="Kernel module loaded by a person",
    severity="medium",
    attack=("T1547.006", "T1014"),
    kinds=(Module,),
    find=_find,
    hits=(
        Story("insmod under sudo", _load(_INSMOD)),
        Story("seen at the check of its capability, without a name", _load(_INSMOD, None, done=None)),
    ),
    misses=(
        Story("modprobe by the kernel itself, for a file system that is mounted", _load(_MODPROBE, "xfs")),
        Story("systemd-modules-load", _load(Actor(pid=5, exe="/lib/systemd/systemd-modules-load", uid=0))),
        Story("udev finds a device", _load(Actor(pid=6, exe="/usr/bin/udevadm", uid=0), "usb_storage")),
        Story("dkms, for a person", _load(Actor(pid=7, exe="/usr/sbin/dkms", uid=0, auid=1000))),
        Story(
            "the kernel asks for a module on behalf of a person",
            (Step(0, Module(action="request", name="net-pf-12", actor=_INSMOD)),),
        ),
        Story("a person removes one", (Step(0, Module(action="unload", name="xfs", actor=_INSMOD)),)),
        Story("seen by its name alone", (Step(0, Module(action="load", name="xfs", done=True)),)),
    ),
    parameters=(_PROGRAMS, _MODULES),
)
