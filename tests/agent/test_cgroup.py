"""Any text gives a place, bounded and the same each time; golden paths stand in tests/golden/cgroup."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from agent import cgroup

HEX = st.text("0123456789abcdef", min_size=64, max_size=64)
UUID = st.uuids(version=4).map(str)
PIECES = st.sampled_from(
    [
        "docker",
        "kubepods",
        "kubepods.slice",
        "libpod_parent",
        "lxc",
        "lxc.payload.x",
        "system.slice",
        "a.service",
        r"machine-\x2d\xff\x.scope",
        "machine-qemu-1-x.scope",
        "pod",
        "..",
        "buildkit",
        ":",
        "\udcff",
        "\0",
    ]
)
PATHS = st.lists(
    st.one_of(
        PIECES,
        HEX,
        HEX.map(lambda one: f"docker-{one}.scope"),
        HEX.map(lambda one: f"x:cri-containerd:{one}"),
        UUID.map(lambda one: f"kubepods-pod{one.replace('-', '_')}.slice"),
        st.text(max_size=80),
    ),
    max_size=80,
).map(lambda parts: "/" + "/".join(parts))


@given(PATHS)
def test_any_path_gives_a_place_made_of_its_own_text(path: str) -> None:
    place = cgroup.place(path)
    assert cgroup.place(path) == place
    for found in (place.container, place.unit, place.pod):
        assert found is None or 0 < len(found) <= len(path)
    assert place.runtime is None or place.container is not None
    assert place.pod is None or re.fullmatch(r"[0-9a-f-]{32,36}", place.pod)


@given(st.text(alphabet="/abc0123456789.-_\\x@:\n" + "docker-libpod.scope"))
def test_any_text_gives_a_place(text: str) -> None:
    cgroup.place(cgroup.path_of(text) or text)


@given(HEX, HEX, UUID)
def test_the_innermost_container_and_pod_win(outer: str, inner: str, pod: str) -> None:
    slice_ = f"kubepods-pod{pod.replace('-', '_')}.slice"
    path = f"/system.slice/docker-{outer}.scope/{slice_}/cri-containerd-{inner}.scope"
    assert cgroup.place(path) == cgroup.Place(inner, "containerd", pod)


@given(st.integers(min_value=1, max_value=20_000))
def test_a_path_of_any_length_is_read_to_its_bounds(count: int) -> None:
    deep = "/a" * count + "/docker/" + "c" * 64
    assert cgroup.place(deep).container in (None, "c" * 64)


def test_text_that_names_no_path_gives_none() -> None:
    assert cgroup.path_of("") is None
    assert cgroup.path_of("garbage\n") is None
    assert cgroup.path_of("4:cpu,cpuacct:/\n1:name=systemd:/\n0::/\n") == "/"
