"""Accounts on test hosts: the people's, made before the agents start, as if they had always been there."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from ..scenario import Person, Prepared, Service
from .host import Host

HOME_NETWORK = "198.51.100"
DROP = "drop"
"""The account of the servers outside that takes what people send by ssh."""
_CONFIG = """\
Host *
    ForwardAgent yes
    BindAddress {address}
    StrictHostKeyChecking no
    UserKnownHostsFile /dev/null
    LogLevel ERROR
"""


def home_address(index: int) -> str:
    """Return the address of the laptop of the person of this index."""
    return f"{HOME_NETWORK}.{index + 10}"


def settle(people: Sequence[Person], outside: Host, hosts: dict[str, Host]) -> None:
    """Give everybody a laptop outside and accounts on the hosts; at most 200 people.

    Raises:
        HostFailed: an account could not be made.
    """
    laptops = [
        line for index, person in enumerate(people) for line in _laptop(person.name, home_address(index))
    ]
    outside.run("bash", "-e", stdin="\n".join([*_drop(), *laptops]))
    keys = dict(_keys(outside, people))
    allowed = "\n".join(keys.values())
    outside.write(f"/home/{DROP}/.ssh/authorized_keys", f"{allowed}\n")
    for name, host in hosts.items():
        lines = [line for person in people if name in person.hosts for line in _account(person, name, keys)]
        host.run("bash", "-e", stdin="\n".join(lines))


def serve(services: Sequence[Service], outside: Host, hosts: dict[str, Host]) -> None:
    """Make the accounts that are nobody's own, on every host that a scenario wants them on.

    Raises:
        HostFailed: an account could not be made.
    """
    wanted: dict[str, dict[str, None]] = {}
    for service in services:
        wanted.setdefault(service.name, {}).update(dict.fromkeys(service.hosts))
    for name, places in wanted.items():
        file = f"/root/{name}"
        outside.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", file)
        private, public = outside.run("cat", file), outside.run("cat", f"{file}.pub")
        for place in places:
            folder = f"/home/{name}/.ssh"
            hosts[place].run("useradd", "--create-home", "--shell", "/bin/bash", name)
            hosts[place].write(f"{folder}/id_ed25519", private, 0o600)
            hosts[place].write(f"{folder}/authorized_keys", public, 0o600)
            hosts[place].run("chown", "-R", f"{name}:{name}", folder)


def prepare(prepared: Sequence[Prepared], hosts: dict[str, Host]) -> None:
    """Do what was long ago.

    Raises:
        HostFailed: a command failed.
    """
    for one in prepared:
        hosts[one.host].run("bash", "-e", stdin=one.command)


def _drop() -> list[str]:
    return [
        f"useradd --create-home --shell /bin/bash {DROP}",
        f"install -d -m 755 /home/{DROP}/.ssh",
    ]


def _laptop(name: str, address: str) -> list[str]:
    folder = f"/home/{name}/.ssh"
    return [
        f"useradd --create-home --shell /bin/bash {name}",
        f"install -d -o {name} -g {name} -m 700 {folder}",
        f"ssh-keygen -q -t ed25519 -N '' -C {name} -f {folder}/id_ed25519",
        f"printf %s {shlex.quote(_CONFIG.format(address=address))} > {folder}/config",
        f"chown {name}:{name} {folder}/*",
    ]


def _keys(outside: Host, people: Sequence[Person]) -> list[tuple[str, str]]:
    files = [f"/home/{person.name}/.ssh/id_ed25519.pub" for person in people]
    lines = outside.run("cat", *files).splitlines() if files else []
    return [(person.name, line) for person, line in zip(people, lines, strict=True)]


def _account(person: Person, host: str, keys: dict[str, str]) -> list[str]:
    name = person.account(host)
    folder = f"/home/{name}/.ssh"
    lines = [
        f"useradd --create-home --shell /bin/bash {name}",
        f"install -d -o {name} -g {name} -m 700 {folder}",
        f"echo {shlex.quote(keys[person.name])} > {folder}/authorized_keys",
        f"chown {name}:{name} {folder}/authorized_keys",
    ]
    if person.sudo is not None:
        rule = f"/etc/sudoers.d/{name}"
        lines += [f"echo {shlex.quote(f'{name} ALL=(ALL:ALL) {person.sudo}')} > {rule}", f"chmod 440 {rule}"]
    return lines
