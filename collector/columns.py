"""The lake's schema: every table and column once, with its type and meaning, as docs/store.md lists them.

Times are BIGINT UTC nanoseconds: exact, as fast to compare as a timestamp, and read by Python without loss.
Unknown is NULL, never 0. Text that is no UTF-8 is in the escaped form of `evidence.text`.
"""

from __future__ import annotations

from typing import Literal

import msgspec
import pyarrow as pa

SqlType = Literal["VARCHAR", "BIGINT", "BOOLEAN", "VARCHAR[]"]
TableName = Literal["events", "alerts", "batches", "position"]


class Column(msgspec.Struct, frozen=True):
    """A column: its name, DuckDB type, and meaning in one line."""

    name: str
    type: SqlType
    meaning: str


EVENTS = (
    Column("agent", "VARCHAR", "id of the agent, 32 hex digits"),
    Column("epoch", "BIGINT", "number of the agent's signing key"),
    Column("seq", "BIGINT", "the event's number in (agent, epoch); its uid is agent:epoch:seq"),
    Column("boot", "VARCHAR", "boot id the statement names"),
    Column("host", "VARCHAR", "the agent's host name, a label only"),
    Column("ledger_index", "BIGINT", "entry of the ledger the event came in"),
    Column("lane", "VARCHAR", "priority or bulk"),
    Column("kind", "VARCHAR", "event kind, such as process.exec; also kinds this version does not know"),
    Column("class_uid", "BIGINT", "OCSF class of the kind; 0 is the base event"),
    Column("time", "BIGINT", "when it happened by the host's clock, UTC ns"),
    Column("received", "BIGINT", "when the collector took it in, UTC ns"),
    Column("mono", "BIGINT", "ns since the host's boot"),
    Column("pid", "BIGINT", "process that acted"),
    Column("start", "BIGINT", "its start, ns since boot; a process is (agent, boot, pid, start)"),
    Column("ppid", "BIGINT", "its parent"),
    Column("parent_start", "BIGINT", "the parent's start, ns since boot"),
    Column("exe", "VARCHAR", "path of its executable"),
    Column("cmd_line", "VARCHAR", "argv joined by spaces, for display and search"),
    Column("argv", "VARCHAR[]", "argv as the program got it"),
    Column("cwd", "VARCHAR", "working directory"),
    Column("sha256", "VARCHAR", "SHA-256 of the executable, or of the file after the change"),
    Column("uid", "BIGINT", "real user id"),
    Column("euid", "BIGINT", "effective user id"),
    Column("auid", "BIGINT", "login uid that the kernel keeps"),
    Column("session", "BIGINT", "audit session"),
    Column("user_name", "VARCHAR", "account that logged in or acted, or that of uid, as the agent named it"),
    Column("login", "VARCHAR", "account of auid, as the agent knew it"),
    Column("target_user", "VARCHAR", "account that was become or asked for"),
    Column("person", "VARCHAR", "who is behind it, as attribution found"),
    Column("how", "VARCHAR", "how that is known: kernel, hop, key, job, inferred, uid"),
    Column("person_source", "VARCHAR", "address the person's login came from"),
    Column("fingerprint", "VARCHAR", "key fingerprint of the login, or of the person's login"),
    Column("direction", "VARCHAR", "out or in, as the connection was opened"),
    Column("protocol", "VARCHAR", "tcp or udp"),
    Column("src_ip", "VARCHAR", "address of the side that opened the connection or logged in"),
    Column("src_port", "BIGINT", "its port"),
    Column("dst_ip", "VARCHAR", "address of the side that was connected to; the server of a DNS query"),
    Column("dst_port", "BIGINT", "its port"),
    Column("name", "VARCHAR", "DNS name asked for, or the one the remote address came from"),
    Column("flow", "BIGINT", "the connection's number within one boot"),
    Column("bytes_out", "BIGINT", "bytes that left this host, whoever opened the connection"),
    Column("bytes_in", "BIGINT", "bytes that came to this host"),
    Column("duration", "BIGINT", "ns the process or connection lasted"),
    Column("path", "VARCHAR", "the file; the new name of a rename"),
    Column("tree", "VARCHAR", "configured tree a sensitive read fell in"),
    Column("unit", "VARCHAR", "systemd unit"),
    Column("container", "VARCHAR", "container id"),
    Column("outcome", "VARCHAR", "success or failure, where the event says"),
    Column("contested", "BOOLEAN", "came after an equivocation of its agent; names no person"),
    Column("body", "VARCHAR", "the exact JSON of the body"),
)
ALERTS = (
    Column("id", "VARCHAR", "hash of rule, version, entity and evidence; a replay gives the same"),
    Column("rule", "VARCHAR", "what found it"),
    Column("version", "BIGINT", "version of the rule"),
    Column("severity", "VARCHAR", "informational, low, medium, high, critical"),
    Column("title", "VARCHAR", "in a few words"),
    Column("summary", "VARCHAR", "in a sentence"),
    Column("time", "BIGINT", "event time of the last contributing event, UTC ns"),
    Column("detected", "BIGINT", "receive time at which the pipeline decided, UTC ns"),
    Column("agent", "VARCHAR", "agent it happened on"),
    Column("host", "VARCHAR", "that agent's host name"),
    Column("person", "VARCHAR", "who did it"),
    Column("how", "VARCHAR", "how that is known"),
    Column("session", "BIGINT", "the person's audit session"),
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
POSITION = (Column("next", "BIGINT", "index of the first ledger entry that is not in the lake"),)

TABLES: dict[TableName, tuple[Column, ...]] = {
    "events": EVENTS,
    "alerts": ALERTS,
    "batches": BATCHES,
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
