"""The lake's schema: every table and column once, with its type and meaning, as docs/store.md lists them.

Times are BIGINT UTC nanoseconds: exact, as fast to compare as a timestamp, and read by Python without loss.
Unknown is NULL, never 0. Text that is no UTF-8 is in the escaped form of `evidence.text`.
"""

from __future__ import annotations

from typing import Literal

import msgspec
import pyarrow as pa

from evidence import ocsf
from evidence.kinds import BY_NAME

SqlType = Literal["VARCHAR", "BIGINT", "BOOLEAN", "VARCHAR[]"]
TableName = Literal["events", "alerts", "batches", "sessions", "position"]


class Column(msgspec.Struct, frozen=True):
    """A column: its name, DuckDB type, and meaning in one line.

    source, of events only, is the SQL that gives it: over b, the body's JSON as `extract.SHAPE` reads it, and
    the other columns of `extract.ARRIVING`.
    """

    name: str
    type: SqlType
    meaning: str
    source: str = ""


_USUAL = ("process.exec", "process.exit", "connection.close", "connection.open", "file.change")
_CLASS = "CASE b.kind {} ELSE 0 END".format(
    " ".join(  # one after the other is compared, for each event: what is usual comes first
        f"WHEN '{name}' THEN {ocsf.class_of(BY_NAME[name])}" for name in dict.fromkeys((*_USUAL, *BY_NAME))
    )
)
_SOURCE = "CASE b.direction WHEN 'in' THEN b.remote.{0} WHEN 'out' THEN b.local.{0} ELSE b.source.{0} END"
_DESTINATION = (
    "CASE b.direction WHEN 'in' THEN b.local.{0} WHEN 'out' THEN b.remote.{0} "
    "ELSE coalesce(b.server.{0}, b.local.{0}) END"
)
_OUTCOME = """CASE WHEN b.kind = 'login.accepted' THEN 'success'
    WHEN b.kind = 'login.failed' OR b.allowed = false THEN 'failure'
    WHEN b.kind IN ('privilege.sudo', 'privilege.su', 'collector.act') THEN 'success' END"""

EVENTS = (
    Column("agent", "VARCHAR", "id of the agent, 32 hex digits", "agent"),
    Column("epoch", "BIGINT", "number of the agent's signing key", "epoch"),
    Column("seq", "BIGINT", "the event's number in (agent, epoch); its uid is agent:epoch:seq", "seq"),
    Column("boot", "VARCHAR", "boot id the statement names", "boot"),
    Column("host", "VARCHAR", "the agent's host name, a label only", "host"),
    Column("ledger_index", "BIGINT", "entry of the ledger the event came in", "ledger_index"),
    Column("lane", "VARCHAR", "priority or bulk", "lane"),
    Column(
        "kind", "VARCHAR", "event kind, such as process.exec; also kinds this version does not know", "b.kind"
    ),
    Column("class_uid", "BIGINT", "OCSF class of the kind; 0 is the base event", _CLASS),
    Column("time", "BIGINT", "when it happened by the host's clock, UTC ns", "time"),
    Column("received", "BIGINT", "when the collector took it in, UTC ns", "received"),
    Column("mono", "BIGINT", "ns since the host's boot", "mono"),
    Column("pid", "BIGINT", "process that acted", "coalesce(b.pid, b.actor.pid)"),
    Column(
        "start",
        "BIGINT",
        "its start, ns since boot; a process is (agent, boot, pid, start)",
        "coalesce(b.start, b.actor.start)",
    ),
    Column("ppid", "BIGINT", "its parent", "b.ppid"),
    Column("parent_start", "BIGINT", "the parent's start, ns since boot", "b.parent_start"),
    Column(
        "exe", "VARCHAR", "path of its executable, as a container sees it", "coalesce(b.exe, b.actor.exe)"
    ),
    Column("host_exe", "VARCHAR", "the host's path of it, where that is another", "b.host_exe"),
    Column("became", "VARCHAR", "what the process had executed since, when it was told", "b.actor.became"),
    Column(
        "cmd_line",
        "VARCHAR",
        "argv joined by spaces, for display and search",
        "coalesce(array_to_string(b.argv, ' '), b.command, b.actor.cmd_line)",
    ),
    Column("argv", "VARCHAR[]", "argv as the program got it", "b.argv"),
    Column("cwd", "VARCHAR", "working directory", "b.cwd"),
    Column(
        "sha256",
        "VARCHAR",
        "SHA-256 of the executable, or of the file after the change",
        "coalesce(b.sha256, b.after.sha256)",
    ),
    Column("uid", "BIGINT", "real user id", "coalesce(b.uid, b.actor.uid)"),
    Column("euid", "BIGINT", "effective user id", "b.euid"),
    Column("auid", "BIGINT", "login uid that the kernel keeps", "coalesce(b.auid, b.actor.auid)"),
    Column("session", "BIGINT", "audit session", "coalesce(b.session, b.actor.session)"),
    Column(
        "user_name",
        "VARCHAR",
        "account that logged in or acted, or that of uid, as the agent named it",
        "b.user",
    ),
    Column("login", "VARCHAR", "account of auid, as the agent knew it", "b.login"),
    Column("target_user", "VARCHAR", "account that was become or asked for", "b.target"),
    Column("person", "VARCHAR", "who is behind it, as attribution found", "person"),
    Column("how", "VARCHAR", "how that is known: kernel, hop, key, job, inferred, uid", "how"),
    Column("person_source", "VARCHAR", "address the person's login came from", "person_source"),
    Column(
        "person_evidence",
        "VARCHAR[]",
        "uids of the events that show it, where how is job or inferred",
        "person_evidence",
    ),
    Column(
        "fingerprint",
        "VARCHAR",
        "key fingerprint of the login, or of the person's login",
        "coalesce(b.fingerprint, person_fingerprint)",
    ),
    Column("direction", "VARCHAR", "out or in, as the connection was opened", "b.direction"),
    Column("protocol", "VARCHAR", "tcp or udp", "b.protocol"),
    Column(
        "src_ip",
        "VARCHAR",
        "address of the side that opened the connection or logged in",
        _SOURCE.format("ip"),
    ),
    Column("src_port", "BIGINT", "its port", _SOURCE.format("port")),
    Column(
        "dst_ip",
        "VARCHAR",
        "address of the side that was connected to; the server of a DNS query",
        _DESTINATION.format("ip"),
    ),
    Column("dst_port", "BIGINT", "its port", _DESTINATION.format("port")),
    Column(
        "name",
        "VARCHAR",
        "DNS name asked for, or the one the remote address came from",
        "coalesce(b.name, b.remote.name, b.source.name)",
    ),
    Column("flow", "BIGINT", "the connection's number within one boot", "b.flow"),
    Column("bytes_out", "BIGINT", "bytes that left this host, whoever opened the connection", "b.bytes_out"),
    Column("bytes_in", "BIGINT", "bytes that came to this host", "b.bytes_in"),
    Column("duration", "BIGINT", "ns the process or connection lasted", "b.duration"),
    Column("path", "VARCHAR", "the file; the new name of a rename", "b.path"),
    Column("tree", "VARCHAR", "configured tree a sensitive read fell in", "b.tree"),
    Column("unit", "VARCHAR", "systemd unit", "coalesce(b.unit, b.actor.unit)"),
    Column("container", "VARCHAR", "container id", "coalesce(b.container, b.actor.container)"),
    Column(
        "container_runtime",
        "VARCHAR",
        "what runs the container: docker, containerd, cri-o, podman, nspawn, lxc",
        "coalesce(b.container_runtime, b.actor.container_runtime)",
    ),
    Column("pod", "VARCHAR", "uid of its Kubernetes pod", "coalesce(b.pod, b.actor.pod)"),
    Column("outcome", "VARCHAR", "success or failure, where the event says", _OUTCOME),
    Column("contested", "BOOLEAN", "came after an equivocation of its agent; names no person", "contested"),
    Column("body", "VARCHAR", "the exact JSON of the body", "coalesce(exact, json)"),
)
ALERTS = (
    Column("id", "VARCHAR", "hash of rule, version, entity and evidence; a replay gives the same"),
    Column("rule", "VARCHAR", "what found it"),
    Column("entity", "VARCHAR", "what it is about, in the rule's own words"),
    Column("revision", "BIGINT", "0, 1, … as more became known; the newest of (rule, entity) holds"),
    Column("version", "BIGINT", "version of the rule"),
    Column("staged", "BOOLEAN", "its rule was only tried: it alerts nobody"),
    Column("severity", "VARCHAR", "informational, low, medium, high, critical"),
    Column("title", "VARCHAR", "in a few words"),
    Column("summary", "VARCHAR", "in a sentence"),
    Column("time", "BIGINT", "event time of the last contributing event, UTC ns"),
    Column("detected", "BIGINT", "receive time at which the pipeline decided, UTC ns"),
    Column("agent", "VARCHAR", "agent it happened on"),
    Column("host", "VARCHAR", "that agent's host name"),
    Column("person", "VARCHAR", "who did it"),
    Column("how", "VARCHAR", "how that is known"),
    Column("boot", "VARCHAR", "boot id of that session"),
    Column("session", "BIGINT", "the person's audit session"),
    Column("chain", "VARCHAR", "the sessions on other hosts that led here, the first one first, JSON"),
    Column("person_source", "VARCHAR", "address the person's login came from"),
    Column("fingerprint", "VARCHAR", "key fingerprint of the person's login"),
    Column("destination", "VARCHAR", "where the bytes went"),
    Column("bytes_out", "BIGINT", "how many"),
    Column("evidence", "VARCHAR[]", "uids of the contributing events, agent:epoch:seq"),
    Column("attack", "VARCHAR[]", "ATT&CK technique ids"),
    Column("details", "VARCHAR", "what else the rule has to say, a JSON object of texts"),
)
BATCHES = (
    Column("agent", "VARCHAR", "id of the agent that sealed it"),
    Column("epoch", "BIGINT", "number of its signing key"),
    Column("lane", "VARCHAR", "priority or bulk"),
    Column("seq", "BIGINT", "the statement's number in (agent, epoch, lane)"),
    Column("digest", "VARCHAR", "SHA-256 of the statement"),
    Column("ledger_index", "BIGINT", "its entry of the ledger"),
    Column("entry", "VARCHAR", "type of that entry: batch, equivocation or act"),
    Column("events", "BIGINT", "events it declares"),
    Column("stored", "BIGINT", "events of it in this lake"),
    Column("state", "VARCHAR", "decoded, partial, undecodable, absent (data dropped or expired), evidence"),
    Column("first_time", "BIGINT", "time of its first event, UTC ns"),
    Column("last_time", "BIGINT", "time of its last event, UTC ns"),
    Column("first_seq", "BIGINT", "its lowest event number"),
    Column("last_seq", "BIGINT", "its highest event number"),
    Column("received", "BIGINT", "when the collector took it in, UTC ns"),
    Column("sent", "BIGINT", "when it was sealed by the host's clock, UTC ns"),
    Column("boot", "VARCHAR", "boot id"),
    Column("version", "VARCHAR", "version of the agent"),
    Column("loss", "VARCHAR", "losses it states, JSON"),
    Column("dropped", "VARCHAR", "data it says was given up, JSON"),
    Column("contested", "BOOLEAN", "came after an equivocation of its agent"),
)
SESSIONS = (
    Column("agent", "VARCHAR", "id of the agent"),
    Column("boot", "VARCHAR", "boot id; a session is (agent, boot, session)"),
    Column("session", "BIGINT", "audit session"),
    Column("host", "VARCHAR", "the agent's host name"),
    Column("user", "VARCHAR", "account that was logged in to"),
    Column("person", "VARCHAR", "who is behind it"),
    Column("how", "VARCHAR", "how that is known: kernel, hop, job, inferred, uid"),
    Column("source", "VARCHAR", "address the person came from: of the first session of the chain"),
    Column("fingerprint", "VARCHAR", "key fingerprint of the person's login, the first of the chain"),
    Column("login_source", "VARCHAR", "address this session's own login came from"),
    Column("login_fingerprint", "VARCHAR", "key fingerprint that this session's own login was accepted with"),
    Column("opened", "BIGINT", "when it was opened by the host's clock, UTC ns; NULL where nobody saw it"),
    Column("closed", "BIGINT", "when it was closed"),
    Column("skew", "BIGINT", "ns by which the host's clock was ahead of the collector's, as estimated then"),
    Column(
        "chain",
        "VARCHAR",
        "sessions on other hosts that led here, the first one first: JSON objects with agent, host, boot, "
        "session, user, how and because; NULL where none did",
    ),
    Column("evidence", "VARCHAR[]", "uids of the events that show whose it is"),
    Column("bytes_out", "BIGINT", "bytes that left by its connections, whoever opened them"),
    Column("bytes_in", "BIGINT", "bytes that came by them"),
    Column("revised", "BIGINT", "ledger time of this revision, UTC ns; the newest one holds"),
)
POSITION = (Column("next", "BIGINT", "index of the first ledger entry that is not in the lake"),)

TABLES: dict[TableName, tuple[Column, ...]] = {
    "events": EVENTS,
    "alerts": ALERTS,
    "batches": BATCHES,
    "sessions": SESSIONS,
    "position": POSITION,
}
_ARROW: dict[SqlType, pa.DataType] = {
    "VARCHAR": pa.string(),
    "BIGINT": pa.int64(),
    "BOOLEAN": pa.bool_(),
    "VARCHAR[]": pa.list_(pa.string()),
}


def schema(table: TableName) -> pa.Schema:
    """Return a table's columns as an Arrow schema, in the order of the lake."""
    return pa.schema([(column.name, _ARROW[column.type]) for column in TABLES[table]])


def definition(table: TableName) -> str:
    """Return a table's columns as SQL, such as ``agent VARCHAR, epoch BIGINT``; names are quoted."""
    return ", ".join(f'"{column.name}" {column.type}' for column in TABLES[table])
