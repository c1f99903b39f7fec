"""What an exec says of its program on this machine's kernel: rights, environment, content, where it lies."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.sensors.process import SENSOR
from evidence.kinds.process import Exec
from tests.agent.feeds_at_work import Watched, opened, run, rung_of

pytestmark = pytest.mark.root

TRUE = Path("/bin/true").resolve()
SLEEP = Path("/bin/sleep").resolve()
BUSYBOX = Path("/bin/busybox")
NOBODY = 65534


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    with opened(rung_of(SENSOR, "bpf"), tmp_path) as feed:
        yield feed


def exec_of(watched: Watched, *argv: str) -> Exec:
    body = watched.until(lambda one: isinstance(one, Exec) and one.argv == argv)
    assert isinstance(body, Exec)
    return body


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def copied(source: Path, to: Path) -> Path:
    shutil.copy(source, to)
    to.chmod(0o755)
    return to


def test_the_variables_of_the_list_and_no_others(watched: Watched) -> None:
    filler = {f"FILLER_{number}": "LD_" * 20 for number in range(20)}
    subprocess.run(
        ["/bin/true", "env"],
        env={**filler, "LD_LIBRARY_PATH": "/opt/x", "SECRET": "s", "SUDO_USER": "alice", "OLD_X": "y"},
        check=True,
    )
    assert exec_of(watched, "/bin/true", "env").environment == {
        "LD_LIBRARY_PATH": "/opt/x",
        "SUDO_USER": "alice",
    }


def test_nothing_of_the_environment_of_an_earlier_program_is_left(watched: Watched) -> None:
    for number in range(20):
        subprocess.run(["/bin/true"], env={"A": "x" * number, "LD_PRELOAD_X": "y"}, check=True)
        subprocess.run(["/bin/true", f"clean{number}"], env={"B": "x" * number}, check=True)
    for number in range(20):
        assert exec_of(watched, "/bin/true", f"clean{number}").environment is None


def test_a_long_environment_is_looked_through_to_four_kilobytes(watched: Watched) -> None:
    for size, seen in ((3000, {"LD_AUDIT": "x" * 511}), (5000, None)):
        filler = {f"F{number}": "x" * 995 for number in range(size // 1000)}
        subprocess.run(["/bin/true", str(size)], env={**filler, "LD_AUDIT": "x" * 600}, check=True)
        found = exec_of(watched, "/bin/true", str(size)).environment
        assert (found is None) == (seen is None)
        assert found is None or found["LD_AUDIT"].startswith("x" * 400)


def test_a_set_uid_program_runs_with_more_than_its_caller_has(watched: Watched, tmp_path: Path) -> None:
    program = copied(TRUE, tmp_path / "set-uid")
    program.chmod(0o4755)
    subprocess.run([program, "root"], user=NOBODY, group=NOBODY, extra_groups=[], check=True)
    body = exec_of(watched, str(program), "root")
    assert (body.uid, body.euid, body.elevated, body.capabilities) == (NOBODY, 0, True, ())
    subprocess.run(["/bin/true", "plain"], user=NOBODY, group=NOBODY, extra_groups=[], check=True)
    assert not exec_of(watched, "/bin/true", "plain").elevated


def test_capabilities_of_the_file_are_named(watched: Watched, tmp_path: Path) -> None:
    program = copied(TRUE, tmp_path / "capable")
    net_raw_effective = bytes.fromhex("0100000200200000000000000000000000000000")
    os.setxattr(program, "security.capability", net_raw_effective)
    subprocess.run([program, "x"], user=NOBODY, group=NOBODY, extra_groups=[], check=True)
    body = exec_of(watched, str(program), "x")
    assert (body.euid, body.elevated, body.capabilities) == (NOBODY, True, ("cap_net_raw",))


def test_a_short_program_has_its_hash_and_a_changed_one_another(watched: Watched, tmp_path: Path) -> None:
    program = copied(TRUE, tmp_path / "program")
    run(str(program), "first")
    assert exec_of(watched, str(program), "first").sha256 == sha256(TRUE)
    with program.open("ab") as file:
        file.write(b"more")
    run(str(program), "second")
    assert exec_of(watched, str(program), "second").sha256 == sha256(program) != sha256(TRUE)


def test_a_program_deleted_while_it_runs_has_its_hash_and_is_marked(watched: Watched, tmp_path: Path) -> None:
    program = copied(SLEEP, tmp_path / "gone")
    descriptor = os.open(program, os.O_RDONLY)
    program.unlink()
    with subprocess.Popen([f"/proc/self/fd/{descriptor}", "77"], pass_fds=[descriptor]) as child:
        body = exec_of(watched, f"/proc/self/fd/{descriptor}", "77")
        child.kill()
    os.close(descriptor)
    assert (body.exe, body.memory_only) == (f"{program} (deleted)", "deleted")
    assert body.sha256 == sha256(SLEEP)


def test_a_program_in_memory_has_its_hash_and_is_marked(watched: Watched) -> None:
    descriptor = os.memfd_create("ghost")
    os.write(descriptor, SLEEP.read_bytes())
    with subprocess.Popen([f"/proc/{os.getpid()}/fd/{descriptor}", "78"]) as child:
        body = exec_of(watched, f"/proc/{os.getpid()}/fd/{descriptor}", "78")
        child.kill()
    os.close(descriptor)
    assert (body.exe, body.memory_only) == ("/memfd:ghost (deleted)", "memfd")
    assert body.sha256 == sha256(SLEEP)


def test_paths_and_hash_in_a_container_of_overlayfs(watched: Watched, tmp_path: Path) -> None:
    """A mount namespace whose root is an overlay, as a container runtime makes it."""
    if not BUSYBOX.exists():
        pytest.skip(f"{BUSYBOX}, a shell without libraries, is not installed")
    base, tool = tmp_path / "base", static(tmp_path)
    base.mkdir()
    script = (
        f"mount -t tmpfs base {base} && cd {base} && mkdir -p lower/bin lower/old upper work root && "
        f"cp {tool} lower/bin/tool && cp {BUSYBOX} lower/bin/sh && "
        "mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work root && "
        "cd root && pivot_root . old && cd /bin && "
        "exec /bin/sh -c '/bin/tool inside; read -r line'"
    )
    with in_mounts_of_its_own(script) as child:
        body = exec_of(watched, "/bin/tool", "inside")
        child.communicate(b"\n")
    assert (body.exe, body.cwd) == ("/bin/tool", "/bin")
    assert body.sha256 == sha256(tool), "through the root of its parent"


def test_paths_behind_a_bind_mount_and_in_a_chroot(watched: Watched, tmp_path: Path) -> None:
    real, bound, tool = tmp_path / "real", tmp_path / "bound", static(tmp_path)
    real.mkdir()
    bound.mkdir()
    copied(tool, real / "tool")
    script = f"mount --bind {real} {bound} && cd {bound} && ./tool bind; read -r line; chroot . /tool chroot"
    with in_mounts_of_its_own(script) as child:
        body = exec_of(watched, "./tool", "bind")
        child.communicate(b"\n")
    assert (body.exe, body.cwd) == (str(bound / "tool"), str(bound))
    assert body.sha256 == sha256(tool), "through the root of its parent"
    body = exec_of(watched, "/tool", "chroot")
    assert (body.exe, body.cwd) == (str(bound / "tool"), str(bound)), "as its mounts show it, not its root"


@contextlib.contextmanager
def in_mounts_of_its_own(script: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a shell script in a mount namespace until it has read a line."""
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-e", "-c", script]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def static(folder: Path) -> Path:
    """Build a program that needs no library, so that it runs in a root of its own."""
    source, target = folder / "tool.c", folder / "tool"
    source.write_text('void _start(void) { __asm__("mov $60,%eax; xor %edi,%edi; syscall"); }\n')
    compiler = shutil.which("gcc") or shutil.which("clang")
    if compiler is None or os.uname().machine != "x86_64":
        pytest.skip("needs a C compiler on x86-64 for a program without libraries")
    options = ["-static", "-nostdlib", "-o", str(target), str(source)]
    subprocess.run([compiler, *options], check=True, capture_output=True)
    return target
