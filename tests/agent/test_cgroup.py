"""Container and unit from the cgroup paths of the runtimes people use."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import cgroup

A, B = "a" * 64, "b1" * 32
POD = "pod12345678-1234-1234-1234-123456789abc"


@pytest.mark.parametrize(
    ("path", "container", "unit"),
    [
        ("/system.slice/ssh.service", None, "ssh.service"),
        ("/user.slice/user-1000.slice/session-3.scope", None, "session-3.scope"),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/x.service", None, "x.service"),
        ("/init.scope", None, None),
        ("/", None, None),
        (f"/docker/{A}", f"docker:{A}", None),
        (f"/system.slice/docker-{A}.scope", f"docker:{A}", None),
        (f"/docker/{A}/docker/{B}", f"docker:{B}", None),
        (f"/docker/{A}/system.slice/nginx.service", f"docker:{A}", "nginx.service"),
        (f"/kubepods/besteffort/{POD}/{A}", f"containerd:{A}", None),
        (
            f"/kubepods.slice/kubepods-burstable.slice/x.slice/cri-containerd-{A}.scope",
            f"containerd:{A}",
            None,
        ),
        (f"/system.slice/containerd.service/kubepods-x.slice:cri-containerd:{A}", None, "containerd.service"),
        (f"/k8s.io/{A}", f"containerd:{A}", None),
        (f"/default/{A}", f"containerd:{A}", None),
        (f"/kubepods.slice/kubepods-{POD}.slice/crio-{A}.scope", f"cri-o:{A}", None),
        (f"/kubepods.slice/crio-conmon-{A}.scope", None, None),
        (f"/kubepods/{POD}/crio-{A}", f"cri-o:{A}", None),
        (f"/machine.slice/libpod-{A}.scope/container", f"podman:{A}", None),
        (f"/machine.slice/libpod-conmon-{A}.scope", None, None),
        (f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{A}.scope", f"podman:{A}", None),
        (f"/libpod_parent/libpod-{A}", f"podman:{A}", None),
        (r"/machine.slice/machine-web\x2d1.scope/payload/init.scope", "nspawn:web-1", None),
        (
            "/machine.slice/systemd-nspawn@db.service/payload/system.slice/pg.service",
            "nspawn:db",
            "pg.service",
        ),
        ("/lxc.payload.web/system.slice/cron.service", "lxc:web", "cron.service"),
        ("/lxc/web", "lxc:web", None),
    ],
)
def test_where_a_process_runs(path: str, container: str | None, unit: str | None) -> None:
    assert cgroup.place(path) == cgroup.Place(container, unit)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("0::/system.slice/ssh.service\n", "/system.slice/ssh.service"),
        (f"12:pids:/docker/{A}\n1:name=systemd:/docker/{A}\n", f"/docker/{A}"),
        (f"12:pids:/docker/{A}\n1:name=systemd:/docker/{A}\n0::/\n", f"/docker/{A}"),
        (
            "11:memory:/user.slice\n1:name=systemd:/user.slice/x.scope\n0::/user.slice/x.scope\n",
            "/user.slice/x.scope",
        ),
        ("4:cpu,cpuacct:/\n1:name=systemd:/\n0::/\n", "/"),
        ("", None),
        ("garbage\n", None),
    ],
)
def test_the_path_that_tells_most(text: str, path: str | None) -> None:
    assert cgroup.path_of(text) == path


@given(st.text(alphabet="/abc0123456789.-_\\x@:\n" + "docker-libpod.scope"))
def test_any_text_gives_a_place(text: str) -> None:
    cgroup.place(cgroup.path_of(text) or text)
