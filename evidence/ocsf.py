"""Every event kind as a valid OCSF 1.8.0 object (https://schema.ocsf.io/1.8.0).

Two of OCSF's conventions matter to readers: times are milliseconds, and traffic is counted from source to
destination, so what this host sent over an inbound connection is `traffic.bytes_in`. `unmapped.vedette` has
the host's own view, with nanoseconds and the argv array.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from . import ocsf_act, ocsf_state
from .codec import Unknown
from .event import Event
from .kind import Actor, Body, Endpoint, kind_of
from .kinds import act, agent, collector, connection, dns, file, login, process, state

VERSION = "1.8.0"
Json = dict[str, Any]

BASE, FILE, PROCESS, ACCOUNT_CHANGE = 0, 1001, 1007, 3001
KERNEL_EXTENSION, KERNEL, MODULE = 1002, 1003, 1005
AUTHENTICATION, ENTITY, NETWORK, DNS, API = 3002, 3004, 4001, 4003, 6003
DEVICE_INVENTORY, CONFIG_CHANGE, SOFTWARE_INVENTORY = 5001, 5019, 5020
_MS = 1_000_000
_SEVERITY_INFORMATIONAL, _SEVERITY_LOW, _SEVERITY_MEDIUM, _SEVERITY_HIGH = 1, 2, 3, 4
_OTHER = 99
_PORT_LIMIT = 65_535
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Origin(msgspec.Struct, frozen=True):
    """Where an event comes from: agent id, key epoch, boot id, host label, and the person, if one is known.

    received is the collector's clock in UTC ns.
    """

    agent: str
    epoch: int
    boot: str
    host: str
    received: int | None = None
    person: str | None = None
    how: str | None = None
    source: str | None = None
    fingerprint: str | None = None


class Shape(msgspec.Struct, frozen=True):
    """A class, an activity of it, and the attributes that the body gives."""

    class_uid: int
    activity_id: int
    attributes: Json
    severity_id: int = _SEVERITY_INFORMATIONAL


def to_ocsf(event: Event[Body] | Unknown, origin: Origin) -> Json:
    """Return the event as an OCSF object; a kind this version does not know becomes a base event."""
    if isinstance(event, Unknown):
        if event.known is None:
            shape, kind, raw = Shape(BASE, _OTHER, {}), event.kind, msgspec.json.decode(event.line)["body"]
        else:
            shape, kind = _shape(event.known.body), event.kind
            raw = msgspec.json.decode(event.line)["body"]
    else:
        shape, kind, raw = _shape(event.body), kind_of(event.body), msgspec.to_builtins(event.body)
    said: Json = {
        "category_uid": shape.class_uid // 1000,
        "class_uid": shape.class_uid,
        "activity_id": shape.activity_id,
        "type_uid": shape.class_uid * 100 + shape.activity_id,
        "severity_id": shape.severity_id,
        "time": event.time // _MS,
        "metadata": _metadata(event, origin),
        "device": {"type_id": 1, "uid": origin.agent, "hostname": origin.host, "name": origin.host},
        "message": kind,
        "unmapped": {"vedette": _own_view(event, origin, kind, raw)},
    }
    said["device"] |= shape.attributes.get("device", {})
    return said | {name: value for name, value in shape.attributes.items() if name != "device"}


def _shape(body: Body) -> Shape:
    return _SHAPES[type(body)](body)


def _metadata(event: Event[Body] | Unknown, origin: Origin) -> Json:
    said: Json = {
        "version": VERSION,
        "product": {"name": "Vedette", "vendor_name": "Vedette"},
        "uid": f"{origin.agent}:{origin.epoch}:{event.seq}",
        "sequence": event.seq,
        "profiles": ["linux/linux_users", "container", "host"],
    }
    if origin.received is not None:
        said["logged_time"] = origin.received // _MS
    return said


def _own_view(event: Event[Body] | Unknown, origin: Origin, kind: str, raw: Json) -> Json:
    said: Json = {
        "kind": kind,
        "time_ns": event.time,
        "mono_ns": event.mono,
        "boot": origin.boot,
        "body": raw,
        "person": origin.person,
        "how": origin.how,
        "source": origin.source,
        "fingerprint": origin.fingerprint,
    }
    return {name: value for name, value in said.items() if value is not None}


def _known(**attributes: Any) -> Json:
    """Return the attributes that are not None."""
    return {name: value for name, value in attributes.items() if value is not None}


def _base_name(path: str) -> str:
    return path.rstrip("/").rsplit("/", 1)[-1] or path


def _user(uid: int | None, name: str | None = None) -> Json | None:
    if uid is None and name is None:
        return None
    return _known(uid=None if uid is None else str(uid), name=name)


def _session(session: int | None, terminal: str | None = None) -> Json | None:
    if session is None and terminal is None:
        return None
    return _known(uid=None if session is None else str(session), terminal=terminal)


def _executable(path: str | None, sha256: str | None = None) -> Json | None:
    if path is None:
        return None
    return _known(name=_base_name(path), path=path, type_id=1, hashes=_hashes(sha256))


def _hashes(sha256: str | None) -> list[Json] | None:
    return None if sha256 is None else [{"algorithm_id": 3, "algorithm": "SHA-256", "value": sha256}]


def _process(who: Actor) -> Json:
    return _known(
        pid=who.pid,
        uid=None if who.start is None else f"{who.pid}:{who.start}",
        name=None if who.exe is None else _base_name(who.exe),
        file=_executable(who.exe),
        cmd_line=who.cmd_line,
        auid=who.auid,
        user=_user(who.uid),
        session=_session(who.session),
        container=_container(who),
    )


def _container(who: Actor) -> Json | None:
    """Return the container; a static pod's uid is a hash and no UUID, so it stands as a label."""
    if who.container is None:
        return None
    is_uuid = who.pod is not None and _UUID.fullmatch(who.pod) is not None
    return _known(
        uid=who.container,
        runtime=who.container_runtime,
        pod_uuid=who.pod if is_uuid else None,
        labels=[f"pod={who.pod}"] if who.pod is not None and not is_uuid else None,
        orchestrator="Kubernetes" if who.pod is not None else None,
    )


def _actor(who: Actor | None) -> Json:
    """Return an actor; OCSF wants one even where nobody is known."""
    if who is None:
        return {"app_name": "unknown"}
    running = None if who.pid is None else _process(who)
    said = _known(process=running, user=_user(who.auid), session=_session(who.session))
    return said or {"app_name": who.exe or "unknown"}


def _exec(body: process.Exec) -> Shape:
    started = Actor(
        pid=body.pid,
        start=body.start,
        exe=body.exe,
        uid=body.uid,
        auid=body.auid,
        session=body.session,
        container=body.container,
        container_runtime=body.container_runtime,
        pod=body.pod,
        cmd_line=" ".join(body.argv) or None,
    )
    parent = Actor(pid=body.ppid, start=body.parent_start, auid=body.auid, session=body.session)
    said = _process(started) | _known(
        file=_executable(body.exe, body.sha256),
        working_directory=body.cwd,
        euid=body.euid,
        user=_user(body.uid, body.user),
        group=None if body.gid is None else {"uid": str(body.gid)},
        session=_session(body.session, body.tty),
        parent_process=None if body.ppid is None else _process(parent),
        environment_variables=_environment(body.environment),
    )
    actor = _actor(parent if body.ppid is not None else None) | _known(user=_user(body.auid, body.login))
    return Shape(PROCESS, 1, {"process": said, "actor": actor})


def _environment(variables: dict[str, str] | None) -> list[Json] | None:
    if variables is None:
        return None
    return [{"name": name, "value": value} for name, value in variables.items()]


def _exit(body: process.Exit) -> Shape:
    who = Actor(
        pid=body.pid, start=body.start, exe=body.exe, uid=body.uid, auid=body.auid, session=body.session
    )
    duration = None if body.duration is None else body.duration // _MS
    attributes = {"process": _process(who), "actor": _actor(who)}
    return Shape(PROCESS, 2, attributes | _known(exit_code=body.code, duration=duration))


def _identity_changed(body: process.IdentityChanged) -> Shape:
    former = body.former_auid
    attributes = {
        "user": _user(body.actor.auid) or {"name": "unset"},
        "actor": _actor(body.actor) | _known(user=_user(former)),
        "service": {"name": "login identity"},
        "status_detail": f"login uid {former} became {body.actor.auid} without a login",
    }
    return Shape(AUTHENTICATION, 7, attributes, _SEVERITY_HIGH)


def _endpoint(end: Endpoint) -> Json:
    port = end.port if end.port is not None and 0 <= end.port <= _PORT_LIMIT else None
    return _known(ip=end.ip, port=port, hostname=end.name)


def _network(
    body: connection.Open | connection.Report | connection.Close, activity: int, traffic: Json | None
) -> Shape:
    outbound = body.direction == "out"
    source, target = (body.local, body.remote) if outbound else (body.remote, body.local)
    attributes = {
        "src_endpoint": _endpoint(source),
        "dst_endpoint": _endpoint(target),
        "connection_info": _connection_info(body.protocol, body.remote.ip, 2 if outbound else 1)
        | {"uid": str(body.flow)},
        "actor": _actor(body.actor),
    }
    return Shape(NETWORK, activity, attributes | _known(traffic=traffic))


def _connection_info(protocol: str, ip: str, direction: int) -> Json:
    is_v6 = ":" in ip
    return {
        "direction_id": direction,
        "protocol_name": protocol,
        "protocol_num": {"tcp": 6, "udp": 17, "icmp": 58 if is_v6 else 1}[protocol],
        "protocol_ver_id": 6 if is_v6 else 4,
    }


def _traffic(body: connection.Report | connection.Close) -> Json | None:
    """Count from source to destination, as OCSF does."""
    counts = {name: getattr(body, name) for name in _OPPOSITE}
    if body.direction == "in":
        counts = {_OPPOSITE[name]: count for name, count in counts.items()}
    said = _known(**counts)
    if body.bytes_out is not None and body.bytes_in is not None:
        said["bytes"] = body.bytes_out + body.bytes_in
    return said or None


_OPPOSITE = {
    "bytes_out": "bytes_in",
    "bytes_in": "bytes_out",
    "packets_out": "packets_in",
    "packets_in": "packets_out",
}


def _open(body: connection.Open) -> Shape:
    return _network(body, 1, None)


def _report(body: connection.Report) -> Shape:
    return _network(body, 6, _traffic(body))


def _close(body: connection.Close) -> Shape:
    shape = _network(body, 2, _traffic(body))
    duration = None if body.duration is None else body.duration // _MS
    return Shape(NETWORK, 2, shape.attributes | _known(duration=duration, count=body.flows))


def _listen(body: connection.Listen) -> Shape:
    attributes = {
        "dst_endpoint": _endpoint(body.local),
        "connection_info": _connection_info(body.protocol, body.local.ip, 0),
        "actor": _actor(body.actor),
    }
    return Shape(NETWORK, 7, attributes)


def _dns(body: dns.Query) -> Shape:
    attributes = _known(
        query={"hostname": body.name, "type": body.type},
        dst_endpoint=_endpoint(body.server) if body.server else {"name": "resolver"},
        answers=None if body.answers is None else [_known(rdata=text, ttl=body.ttl) for text in body.answers],
        rcode_id=body.rcode if body.rcode in _RCODES else None if body.rcode is None else _OTHER,
        duration=None if body.duration is None else body.duration // _MS,
        count=body.count,
        actor=_actor(body.actor),
    )
    return Shape(DNS, 1 if body.rcode is None else 2, attributes)


_RCODES = frozenset((*range(12), *range(16, 26)))


def _authentication(body: Any, activity: int, **more: Any) -> Shape:
    """Shape a login kind; every one has program, user, pid, uid, auid and session."""
    who = Actor(pid=body.pid, auid=body.auid, session=body.session) if body.pid is not None else None
    attributes = _known(
        user=_user(body.uid, body.user),
        service={"name": body.program},
        actor=None if who is None else _actor(who),
        session=_session(body.session, getattr(body, "terminal", None)),
        **more,
    )
    return Shape(AUTHENTICATION, activity, attributes)


def _remote(source: Endpoint | None) -> Json:
    return {} if source is None else {"src_endpoint": _endpoint(source), "is_remote": True}


def _accepted(body: login.Accepted) -> Shape:
    local = _endpoint(body.local) if body.local else None
    method = body.method
    shape = _authentication(
        body, 1, status_id=1, dst_endpoint=local, auth_protocol=method, auth_protocol_id=_other(method)
    )
    session = shape.attributes.get("session", {}) | _known(credential_uid=body.fingerprint)
    return Shape(AUTHENTICATION, 1, shape.attributes | _remote(body.source) | _known(session=session or None))


def _other(value: str | None) -> int | None:
    return None if value is None else _OTHER


def _failed(body: login.Failed) -> Shape:
    method = body.method
    more = _known(auth_protocol=method, auth_protocol_id=_other(method), count=body.count)
    shape = _authentication(body, 1, status_id=2, **more, **_remote(body.source))
    return Shape(AUTHENTICATION, 1, shape.attributes, _SEVERITY_LOW)


def _disconnected(body: login.Disconnected) -> Shape:
    return _authentication(body, 2, **_remote(body.source))


def _session_open(body: login.SessionOpen) -> Shape:
    return _authentication(body, 1, status_id=1, **_remote(body.source))


def _session_close(body: login.SessionClose) -> Shape:
    return _authentication(body, 2)


def _switch(body: login.Sudo | login.Su) -> Shape:
    detail = body.reason or body.command if isinstance(body, login.Sudo) else None
    shape = _authentication(
        body,
        7,
        status_id=1 if body.allowed else 2,
        status_detail=detail,
        account_switch_type_id=1,
        dst_endpoint=None,
    )
    target = {"user": {"name": body.target or "root"}, "actor": {"user": {"name": body.user}}}
    return Shape(AUTHENTICATION, 7, shape.attributes | target)


def _file(path: str, state: file.FileState | None) -> Json:
    if state is None:
        return {"name": _base_name(path), "path": path, "type_id": 0}
    return _known(
        name=_base_name(path),
        path=path,
        type_id=_FILE_TYPES.get(state.type, _OTHER),
        size=state.size,
        hashes=_hashes(state.sha256),
        owner=_user(state.uid),
        modified_time=None if state.mtime is None else state.mtime // _MS,
    )


_FILE_TYPES = {"file": 1, "dir": 2, "link": 7}


def _changed(body: Any, activity: int) -> Shape:
    """Shape a file kind; each has path, actor, and before or after or both."""
    before, after = getattr(body, "before", None), getattr(body, "after", None)
    attributes = {"file": _file(body.path, before or after), "actor": _actor(body.actor)}
    if before is not None and after is not None:
        attributes["file_result"] = _file(body.path, after)
    if isinstance(body, file.Rename):
        attributes = attributes | {"file": _file(body.former, None), "file_result": _file(body.path, after)}
    return Shape(FILE, activity, attributes)


def _read(body: file.Read) -> Shape:
    who = {"file": _file(body.path, None), "actor": _actor(body.actor), "count": max(body.opens, 1)}
    first = None if body.first is None else body.first // _MS
    last = None if body.last is None else body.last // _MS
    severity = _SEVERITY_HIGH if body.decoy else _SEVERITY_LOW
    return Shape(FILE, 2, who | _known(start_time=first, end_time=last), severity)


def _act(body: collector.Act) -> Shape:
    attributes = {
        "actor": {"user": {"name": body.user}},
        "api": {"operation": body.verb},
        "src_endpoint": _endpoint(body.source) if body.source else {"name": "collector"},
        "status_id": 1 if body.allowed else 2,
    }
    return Shape(API, _OTHER, attributes)


def _inventory(body: state.Host) -> Shape:
    return Shape(DEVICE_INVENTORY, 2, {"device": ocsf_state.device(body)})


def _software(body: state.Packages) -> Shape:
    return Shape(SOFTWARE_INVENTORY, 2, {"sbom": ocsf_state.sbom(body)})


def _state_changed(body: state.Changed) -> Shape:
    return Shape(CONFIG_CHANGE, 1, ocsf_state.change(body) | {"actor": _actor(body.actor)}, _SEVERITY_LOW)


def _done(body: act.Act, class_uid: int, activity: int, attributes: Json, severity: int) -> Shape:
    """Shape an act of a process; each has actor and done."""
    who = {"actor": _actor(body.actor), "status_id": 1 if body.done else 0}
    return Shape(class_uid, activity, attributes | who, severity)


def _party(who: Actor | None) -> Json:
    """Return a process that acts or is acted on; OCSF wants an id even where it is not known."""
    said = {} if who is None else _process(who)
    return said if "pid" in said else said | {"uid": "unknown"}


def _credentials(body: act.Credentials) -> Shape:
    said = _party(body.actor) | _known(euid=body.euid)
    shape = _done(body, PROCESS, 5, {"process": said}, _SEVERITY_MEDIUM)
    gained = ", ".join(body.gained)
    detail = f"effective user {body.former_euid} became {body.euid}; gained {gained or 'nothing else'}"
    return Shape(PROCESS, 5, shape.attributes | {"status_detail": detail}, _SEVERITY_MEDIUM)


def _ptrace(body: act.Ptrace) -> Shape:
    activity = 4 if body.request in _INJECTIONS else 3
    return _done(body, PROCESS, activity, {"process": _party(body.tracee)}, _SEVERITY_MEDIUM)


_INJECTIONS = frozenset({"attach", "seize", "write"})


def _ring(body: act.Ring) -> Shape:
    return _done(body, PROCESS, _OTHER, {"process": _party(body.actor)}, _SEVERITY_INFORMATIONAL)


def _module(body: act.Module) -> Shape:
    activity = _MODULE_ACTIVITIES[body.action]
    return _done(body, KERNEL_EXTENSION, activity, ocsf_act.module(body), _SEVERITY_MEDIUM)


_MODULE_ACTIVITIES = {"load": 1, "unload": 2, "request": _OTHER}


def _program(body: act.Program) -> Shape:
    return _done(body, MODULE, 1, ocsf_act.program(body), _SEVERITY_LOW)


def _mount(body: act.Mount) -> Shape:
    activity = ocsf_act.MOUNT_ACTIVITIES[body.action]
    return _done(body, FILE, activity, ocsf_act.mount(body), _SEVERITY_INFORMATIONAL)


def _enter(body: act.Enter) -> Shape:
    return _done(body, KERNEL, 4, ocsf_act.namespace(body), _SEVERITY_INFORMATIONAL)


def _unix_socket(body: act.UnixSocket) -> Shape:
    return _done(body, NETWORK, 1, ocsf_act.unix_socket(body), _SEVERITY_LOW)


def _plain(severity: int) -> Callable[[Any], Shape]:
    return lambda _body: Shape(BASE, _OTHER, {}, severity)


_SHAPES: dict[type[Body], Callable[[Any], Shape]] = {
    process.Exec: _exec,
    process.Exit: _exit,
    process.IdentityChanged: _identity_changed,
    connection.Open: _open,
    connection.Report: _report,
    connection.Close: _close,
    connection.Listen: _listen,
    dns.Query: _dns,
    login.Accepted: _accepted,
    login.Failed: _failed,
    login.Disconnected: _disconnected,
    login.SessionOpen: _session_open,
    login.SessionClose: _session_close,
    login.Sudo: _switch,
    login.Su: _switch,
    file.Create: lambda body: _changed(body, 1),
    file.Change: lambda body: _changed(body, 3),
    file.Attributes: lambda body: _changed(body, 6),
    file.Rename: lambda body: _changed(body, 5),
    file.Delete: lambda body: _changed(body, 4),
    file.Read: _read,
    agent.Start: _plain(_SEVERITY_INFORMATIONAL),
    agent.Stop: _plain(_SEVERITY_LOW),
    agent.Heartbeat: _plain(_SEVERITY_INFORMATIONAL),
    agent.Loss: _plain(_SEVERITY_MEDIUM),
    agent.ClockStep: _plain(_SEVERITY_LOW),
    agent.ConfigChange: _plain(_SEVERITY_LOW),
    agent.Certificate: _plain(_SEVERITY_MEDIUM),
    agent.Sensor: _plain(_SEVERITY_INFORMATIONAL),
    collector.Act: _act,
    act.Credentials: _credentials,
    act.Ptrace: _ptrace,
    act.Module: _module,
    act.Program: _program,
    act.Mount: _mount,
    act.Enter: _enter,
    act.Ring: _ring,
    act.UnixSocket: _unix_socket,
    state.Changed: _state_changed,
    state.Host: _inventory,
    state.Packages: _software,
}


def class_of(kind: type[Body]) -> int:
    """Return the OCSF class that events of kind belong to."""
    return _CLASSES[kind]


_CLASSES: dict[type[Body], int] = {
    kind: {
        "kernel": KERNEL_EXTENSION if kind is act.Module else MODULE,
        "mount": FILE,
        "namespace": KERNEL,
        "socket": NETWORK,
        "state": CONFIG_CHANGE,
        "process": PROCESS,
        "connection": NETWORK,
        "dns": DNS,
        "file": FILE,
        "collector": API,
        "agent": BASE,
        "inventory": DEVICE_INVENTORY if kind is state.Host else SOFTWARE_INVENTORY,
    }.get(kind_of(kind).split(".")[0], AUTHENTICATION)
    for kind in _SHAPES
}
