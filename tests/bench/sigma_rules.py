"""Sigma rules in the shape of SigmaHQ's for Linux: as many of each logsource, made from templates.

None is a copy of theirs: what counts for a bench is how many there are, which fields they look at, and what
their conditions look like. Of the workload's events one in 150 hits a low one.
"""
# ruff: noqa: S108 - that programs run from such folders is what rules look for

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Iterator
from typing import Any

from collector.sigma.read import read
from collector.sigma.ruleset import Ruleset, assemble

_Rule = dict[str, Any]
_FLAGGED = {
    "tar": ("--checkpoint-action=", "--to-command"),
    "find": (" -exec ", " -delete"),
    "awk": ("BEGIN {system", "/inet/"),
    "perl": (" -e ", "fdopen(", "::Socket::INET"),
    "ruby": ("TCPSocket", "rsocket", "fdopen"),
    "php": ("fsockopen", "shell_exec", " -r "),
    "lua": ("os.execute", "socket.tcp"),
    "nc": (" -e ", " -l", "--exec"),
    "socat": ("TCP-LISTEN", "EXEC:", "OPENSSL"),
    "openssl": ("s_client", "enc -d", "-pbkdf2"),
    "base64": ("-d", "--decode"),
    "xxd": (" -r", " -p"),
    "dd": ("if=/dev/mem", "of=/dev/sd", "/dev/kmem"),
    "chattr": (" -i ", " +i "),
    "setfacl": ("u:root", "-m "),
    "setcap": ("cap_setuid", "cap_sys_admin"),
    "usermod": ("-aG sudo", "-aG root", "-u 0"),
    "useradd": ("-o -u 0", "--system"),
    "iptables": ("-F", "--flush", "-P INPUT ACCEPT"),
    "ufw": ("disable", "reset"),
    "systemctl": ("stop auditd", "disable firewalld", "mask rsyslog"),
    "service": ("auditd stop", "apparmor stop"),
    "setenforce": (" 0",),
    "crontab": ("/tmp/", "/dev/shm/"),
    "at": ("-f /tmp", "now +"),
    "mount": ("-o bind", "/dev/nvme"),
    "nsenter": ("--target 1", "-t 1 "),
    "docker": ("--privileged", "-v /:/"),
    "kubectl": ("exec -it", "--token="),
    "gdb": ("--pid", "dump memory"),
    "strace": ("-e trace=read", "-p 1"),
    "tcpdump": ("-w ", "port 21"),
    "ip": ("link set", "xfrm"),
    "sysctl": ("-w kernel.core_pattern", "net.ipv4.ip_forward"),
    "insmod": (".ko",),
    "modprobe": ("-r ", "vivid"),
    "touch": (" -r ", " -t "),
    "shred": (" -u", "-z"),
    "rm": ("/var/log/", ".bash_history"),
    "ln": ("/dev/null", "-sf /etc"),
}
"""Programs, and arguments of which one is unusual for each."""
_PARENTS = ("/httpd", "/apache2", "/nginx", "/java", "/node", "/php-fpm8.2", "/mysqld", "/postgres", "/redis")
_CHILDREN = (("/sh", "/bash", "/dash"), ("/whoami", "/id", "/uname"), ("/wget", "/curl", "/ncat"))
_TOKENS = (
    ("/etc/shadow", "/etc/gshadow"),
    ("/.aws/credentials", "/.kube/config"),
    ("/proc/sysrq-trigger",),
    ("stratum+tcp://", "--donate-level", "--cpu-priority"),
    ("/dev/tcp/", "/dev/udp/"),
    ("pty.spawn(", "import pty"),
    ("LD_PRELOAD=", "/etc/ld.so.preload"),
    ("HISTFILE=/dev/null", "HISTSIZE=0", "unset HISTFILE"),
    ("authorized_keys", ".ssh/id_rsa"),
    ("/tmp/.X11-unix/..", "/dev/shm/."),
    ("169.254.169.254", "metadata.google.internal"),
    ("transfer.sh", "pastebin.com", "ngrok"),
    ("chmod 777", "chmod +s", "chmod u+s"),
    ("release_agent", "notify_on_release"),
    ("journalctl --vacuum", "truncate -s 0 /var/log"),
    ("/etc/sudoers", "NOPASSWD"),
    ("linpeas", "LinEnum", "linux-exploit-suggester"),
    ("/var/run/docker.sock",),
    ("killall -9", "pkill -f"),
    ("bpftool prog load", "bpf_probe_write"),
)
_PATTERNS = (
    r"(?:curl|wget)[^|]{1,200}\|\s*(?:ba|da|z)?sh",
    r"base64\s+(?:-d|--decode)\s*\|",
    r"\$\{IFS\}|\$IFS\$",
    r"python[23]?(?:\.\d+)?\s+-c\s+.{0,50}socket",
)
_FOLDERS = ("/tmp/", "/dev/shm/", "/var/tmp/", "/run/user/", "/var/www/", "/boot/", "/lost+found/", "/mnt/")
_QUIET = ("/whoami", "/hostname", "/lsof", "/netstat", "/ifconfig", "/arp", "/w")
_STAGES = ("connect", "listen", "dump", "relay", "pivot", "beacon", "exfil")
_RENAMED = ("xmrig", "chisel", "frpc", "gsocket", "pspy64", "kerbrute", "merlin", "sliver")
_CALLS = ("ptrace", "init_module", "finit_module", "bpf", "mount", "setns", "unshare", "process_vm_writev")
_WATCHED = (
    "/etc/cron.d/",
    "/etc/systemd/system/",
    "/etc/profile.d/",
    "/etc/pam.d/",
    "/etc/ld.so.conf.d/",
    "/etc/init.d/",
    "/root/.ssh/",
    "/etc/sudoers.d/",
)
_LINES = (
    ("sshd", ("maximum authentication attempts exceeded", "error: Could not load host key")),
    ("sudo", ("user NOT in sudoers", "3 incorrect password attempts")),
    ("cron", ("REPLACE (root)", "(CRON) error")),
    ("auth", ("pam_unix(su:auth): authentication failure", "new user: name=")),
    ("syslog", ("Kernel panic", "entered promiscuous mode")),
    (None, ("segfault at", "general protection", "buffer overflow", "stack smashing", "rootkit", "exploit")),
    (None, ("promiscuous", "out of memory", "/bin/sh -i", "nc -e", "wget http", "chmod 777")),
)


def ruleset() -> Ruleset:
    """Return all rules, as they are in force: 122 of processes, 53 of auditd, 35 of logs and the rest."""
    return assemble(
        read(f"rules/{number:03}.yml", json.dumps(rule).encode(), {})
        for number, rule in enumerate([*processes(), *audit(), *logs(), *files(), *connections()])
    )


def _rule(title: str, level: str, logsource: dict[str, str], **detection: Any) -> _Rule:
    return {
        "title": title,
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, title)),
        "level": level,
        "logsource": {"product": "linux", **logsource},
        "detection": detection,
    }


def _process(title: str, level: str, condition: str, **searches: Any) -> _Rule:
    return _rule(title, level, {"category": "process_creation"}, **searches, condition=condition)


def processes() -> Iterator[_Rule]:
    """Yield rules about executions, by program, arguments, parent, and what is excepted."""
    for name, flags in _FLAGGED.items():
        yield _process(
            f"Unusual use of {name}",
            "medium",
            "selection_img and selection_cli and not 1 of filter_*",
            selection_img={"Image|endswith": f"/{name}"},
            selection_cli={"CommandLine|contains": list(flags)},
            filter_main={"ParentImage|endswith": ["/dpkg", "/rpm"]},
        )
    for parent, (number, children) in itertools.product(_PARENTS, enumerate(_CHILDREN)):
        yield _process(
            f"Child {number} of {parent}",
            "high",
            "selection and not filter",
            selection={"ParentImage|endswith": parent, "Image|endswith": list(children)},
            filter={"CommandLine|contains": "--healthcheck"},
        )
    for tokens in _TOKENS:
        yield _process(
            f"Command line with {tokens[0]}",
            "high",
            "selection",
            selection={"CommandLine|contains": list(tokens)},
        )
    for pattern in _PATTERNS:
        yield _process(
            f"Command line like {pattern}", "high", "selection", selection={"CommandLine|re": pattern}
        )
    for folder in _FOLDERS:
        yield _process(
            f"Program in {folder}",
            "medium",
            "selection and not 1 of filter_*",
            selection={"Image|startswith": folder},
            filter_own={"Image|contains": "/ansible_"},
            filter_build={"CurrentDirectory|startswith": "/build/"},
        )
    for name in _QUIET:
        yield _process(f"Execution of {name}", "low", "selection", selection={"Image|endswith": name})
    yield _process(
        "Request of curl with a job",
        "low",
        "selection",
        selection={"Image|endswith": "/curl", "CommandLine|contains": ["--job=0", "--job=1"]},
    )
    for name in _RENAMED:
        yield _process(
            f"Tool {name}",
            "critical",
            "1 of selection_*",
            selection_img={"Image|endswith": f"/{name}"},
            selection_cli={"CommandLine|contains|all": [name, " -"]},
        )
    yield from _by_all()


def _by_all() -> Iterator[_Rule]:
    """Yield rules that want several words of a command line at once."""
    for number in range(7):
        words = [f"--stage{number}", _STAGES[number]]
        yield _process(
            f"Words together, {number}", "medium", "selection", selection={"CommandLine|contains|all": words}
        )


def audit() -> Iterator[_Rule]:
    """Yield rules about records of the audit system."""
    source = {"service": "auditd"}
    for name, flags in itertools.islice(_FLAGGED.items(), 25):
        yield _rule(
            f"Audit: {name}",
            "medium",
            source,
            selection={"type": "EXECVE", "a0|endswith": name, "a1|contains": flags[0].strip()},
            condition="selection",
        )
    for call in _CALLS:
        yield _rule(
            f"Audit: {call}",
            "medium",
            source,
            selection={"type": "SYSCALL", "SYSCALL": call},
            filter={"exe|endswith": ["/dockerd", "/runc", "/systemd"]},
            condition="selection and not filter",
        )
    for path in _WATCHED:
        yield _rule(
            f"Audit: {path}",
            "medium",
            source,
            selection={"type": "PATH", "name|startswith": path, "nametype": ["CREATE", "DELETE"]},
            condition="selection",
        )
    for name in (*_RENAMED, "wget", "ncat", "gcc", "nmap"):
        yield _rule(
            f"Audit: program {name}",
            "high",
            source,
            selection={"type": "SYSCALL", "exe|endswith": f"/{name}"},
            condition="selection",
        )


def logs() -> Iterator[_Rule]:
    """Yield rules about lines of logs: words, most of them in the whole line."""
    for number, (service, words) in enumerate(_LINES):
        parts = [words] if service is not None else [(word,) for word in words]
        for part in [*parts, *[(word,) for word in words[: 1 if service is not None else 0]]]:
            yield _rule(
                f"Log {service} {number}: {part}",
                "medium",
                {"service": service} if service is not None else {"category": "builtin"},
                keywords=list(part),
                condition="keywords",
            )


def files() -> Iterator[_Rule]:
    """Yield rules about files that were written."""
    for path in _WATCHED:
        yield _rule(
            f"File below {path}",
            "medium",
            {"category": "file_event"},
            selection={"TargetFilename|startswith": path},
            filter={"Image|endswith": ["/dpkg", "/apt", "/systemctl"]},
            condition="selection and not filter",
        )


def connections() -> Iterator[_Rule]:
    """Yield rules about connections."""
    source = {"category": "network_connection"}
    for names in (("ngrok.io", "serveo.net"), ("pool.", "xmr."), ("pastebin.com", "transfer.sh")):
        yield _rule(
            f"Connection to {names[0]}",
            "high",
            source,
            selection={"Initiated": "true", "DestinationHostname|contains": list(names)},
            condition="selection",
        )
    for name, port in (("bash", 4444), ("python3", 1337)):
        yield _rule(
            f"Connection of {name}",
            "critical",
            source,
            selection={"Image|endswith": f"/{name}", "DestinationPort": port},
            filter={"DestinationIp|cidr": ["127.0.0.0/8", "10.0.0.0/8"]},
            condition="selection and not filter",
        )
