"""An account with root's user id, or a new member of a group that gives root's powers, outside packages.

Judged is what the files say afterwards (state.changed), whatever wrote them; and commands that ask for it,
for hosts where that sensor does not run. Robots may add members; a second root is told whoever made it.
"""

from __future__ import annotations

from evidence.kinds.file import Explanation
from evidence.kinds.process import Exec
from evidence.kinds.state import Changed

from ..by_person import SCRIPTED, applet, by_person, command, is_below, is_change, is_explained, is_installer
from ..examples import BASH, DPKG, SERVICE, WINDOW, alice, at_once, opened, run
from ..one_event import finding, who
from ..record import Record
from ..rule import Detection, Finding, Parameter, Site

_GROUPS = Parameter(
    "groups",
    "root sudo wheel admin docker lxd libvirt disk shadow",
    "groups",
    "who is in one of these can become root",
)
_PROGRAMS = frozenset(
    {"useradd", "usermod", "adduser", "addgroup", "gpasswd", "groupmod", "groupmems", "busybox"}
)
_ZERO = frozenset({"0", "00", "+0"})


def _find(record: Record, site: Site) -> Finding | None:
    body = record.event.body
    if isinstance(body, Changed):
        return _by_state(record, body, site)
    return _by_command(record, body, site) if isinstance(body, Exec) else None


def _by_state(record: Record, body: Changed, site: Site) -> Finding | None:
    if body.source not in ("passwd", "group") or not body.added:
        return None
    if body.source == "passwd":
        if body.subject == "root" or "uid 0" not in body.added:
            return None
        return _told(record, f"uid 0|{body.subject}", f"made {body.subject} an account with user id 0")
    if body.subject not in site.words(_ID, _GROUPS) or _is_expected(record, body, site):
        return None
    members = " ".join(body.added)
    return _told(record, f"{body.subject}|{members}", f"added {members} to the group {body.subject}")


def _is_expected(record: Record, body: Changed, site: Site) -> bool:
    if is_explained(body.explained_by) or is_installer(body.actor) or is_change(record, site):
        return True
    # A writer who is known and is no person: cloud-init at the first boot, a robot's account.
    return body.actor is not None and by_person(record, site) is None


def _by_command(record: Record, body: Exec, site: Site) -> Finding | None:
    granted = _granted(applet(body), body.argv, site.words(_ID, _GROUPS))
    if granted is None or by_person(record, site) is None:
        return None
    if is_below(body, SCRIPTED) or is_change(record, site):
        return None
    return _told(record, granted, f"ran {command(body)}")


def _granted(name: str, argv: tuple[str, ...], groups: frozenset[str]) -> str | None:
    """Return what a command grants, in the form of the state's own finding, so that both are one."""
    values = _options(argv)
    account = argv[-1] if argv else ""
    if name in ("useradd", "usermod", "adduser") and values.get("u", "") in _ZERO and account != "root":
        return f"uid 0|{account}"
    if name in ("useradd", "usermod", "adduser"):
        asked = f"{values.get('G', '')},{values.get('g', '')},{values.get('ingroup', '')}".split(",")
        wanted = [one for one in asked if one in groups]
        if not wanted and name == "adduser" and account in groups and len(argv) > 2:  # noqa: PLR2004 - adduser USER GROUP
            return f"{account}|{argv[-2]}"
        return f"{wanted[0]}|{account}" if wanted else None
    if name == "addgroup" and account in groups and len(argv) > 2:  # noqa: PLR2004 - addgroup USER GROUP
        return f"{account}|{argv[-2]}"
    if name == "gpasswd" and account in groups:
        added = values.get("a") or values.get("M")
        return f"{account}|{added}" if added else None
    return None


_LONG = {"uid": "u", "groups": "G", "gid": "g", "add": "a", "members": "M"}


def _options(argv: tuple[str, ...]) -> dict[str, str]:
    """Return options with the argument after them, by their short name; of ``-aG x`` each letter has it."""
    values: dict[str, str] = {}
    for option, following in zip(argv[1:], (*argv[2:], ""), strict=False):
        if option.startswith("--"):
            name, equals, value = option[2:].partition("=")
            values[_LONG.get(name, name)] = value if equals else following
        elif option.startswith("-"):
            values.update(dict.fromkeys(option[1:], following))
    return values


def _told(record: Record, about: str, what: str) -> Finding:
    body = record.event.body
    writer = getattr(body, "actor", None)
    otherwise = f"process {writer.exe or writer.pid}" if writer is not None else "an unknown process"
    when = ", while the agent was down" if getattr(body, "while_down", False) else ""
    return finding(record, about, f"{who(record, otherwise)} {what} on {record.host}{when}")


_ID = "admin-account"
_TOOR = Changed(
    source="passwd", subject="toor", change="appeared", added=("uid 0", "login shell"), actor=alice()
)
_SUDO = Changed(source="group", subject="sudo", change="changed", added=("mallory",), actor=alice())
_CLOUD_INIT = alice("/usr/sbin/useradd", auid=None, session=None)

DETECTION = Detection(
    id=_ID,
    version=1,
    title="Account or group with root's powers",
    severity="high",
    attack=("T1136.001", "T1098.007"),
    kinds=(Changed, Exec),
    find=_find,
    programs=lambda _site: _PROGRAMS,
    parameters=(_GROUPS,),
    hits=(
        at_once("a second account with user id 0", _TOOR),
        at_once("useradd asks for it", run("useradd", "-o", "-u", "0", "-g", "0", "toor")),
        at_once(
            "a command and what the file says after it",
            opened(),
            run("usermod", "-aG", "sudo", "mallory"),
            _SUDO,
        ),
        at_once("gpasswd", run("gpasswd", "-a", "mallory", "docker")),
        at_once("adduser", run("adduser", "mallory", "wheel")),
        at_once("an editor wrote the group file", _SUDO),
        at_once(
            "it was done while the agent was down",
            Changed(source="passwd", subject="toor", change="appeared", added=("uid 0",), while_down=True),
        ),
        at_once("a robot makes a second root", opened(), _TOOR, organisation=SERVICE),
    ),
    misses=(
        at_once(
            "a package's script adds a system user",
            run("adduser", "--system", "--group", "postgres", ancestry=(BASH, DPKG)),
            Changed(source="passwd", subject="postgres", change="appeared", added=(), actor=_CLOUD_INIT),
        ),
        at_once(
            "a package brings a member",
            Changed(
                source="group",
                subject="shadow",
                change="changed",
                added=("gdm",),
                explained_by=Explanation(package="gdm", transaction=True),
            ),
        ),
        at_once(
            "cloud-init makes the first user",
            Changed(source="group", subject="sudo", change="changed", added=("ubuntu",), actor=_CLOUD_INIT),
        ),
        at_once("an ordinary account", run("useradd", "-m", "-G", "users,audio", "carol")),
        at_once(
            "a member leaves", Changed(source="group", subject="sudo", change="changed", removed=("bob",))
        ),
        at_once(
            "an ordinary group", Changed(source="group", subject="video", change="changed", added=("bob",))
        ),
        at_once("a robot adds a colleague", opened(), _SUDO, organisation=SERVICE),
        at_once("announced work", _SUDO, organisation=WINDOW),
        at_once("root itself", Changed(source="passwd", subject="root", change="changed", added=("uid 0",))),
        at_once("a shell is changed", run("usermod", "-s", "/bin/zsh", "alice")),
    ),
)
