"""Signed packages and repositories, taken in by apt and rpm as a host would; a wrong key is refused."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from packages import keyring, repository, signing
from packages.errors import KeyUnusable
from packages.nfpm import Release
from packages.parts import Parts

pytestmark = pytest.mark.skipif(shutil.which("gpg") is None, reason="gpg is not installed")
needs_apt = pytest.mark.skipif(shutil.which("apt-ftparchive") is None, reason="apt-utils is not installed")
needs_rpm = pytest.mark.skipif(shutil.which("rpm") is None, reason="rpm is not installed")


def new_key(folder: Path, name: str) -> tuple[Path, Path]:
    """Make a throw-away key; return the files of its secret and of its public part."""
    home = folder / f"{name}-home"
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--no-tty", "--passphrase", ""]
    made = [*gpg, "--quick-generate-key", f"{name} <{name}@example.invalid>", "rsa2048", "sign", "never"]
    subprocess.run(made, check=True, capture_output=True)
    secret, public = folder / f"{name}.secret.asc", folder / f"{name}.public.asc"
    for file, verb in ((secret, "--export-secret-keys"), (public, "--export")):
        subprocess.run([*gpg, "--armor", "--output", file, verb], check=True, capture_output=True)
    subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False)
    return secret, public


@dataclass(frozen=True)
class Published:
    """What one release leaves: packages and repositories, and the keys it was made with."""

    out: Path
    now: tuple[Path, Path]
    other: tuple[Path, Path]
    prints: tuple[str, str]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, stand_in: Parts) -> Published:
    folder = tmp_path_factory.mktemp("signed")
    now, other = new_key(folder, "now"), new_key(folder, "other")
    release = Release("1.2.3", "amd64", now[0])
    out = folder / "out"
    with signing.keys() as ring:
        prints = (ring.add(now[0]), ring.add(other[1]))
        made = keyring.build(stand_in.nfpm, ring, prints, release, (folder / "work", out))
        if shutil.which("apt-ftparchive"):
            repository.apt(made, out / "apt", ring, prints[0])
        if shutil.which("createrepo_c"):
            repository.rpm(made, out / "rpm", ring, prints[0])
    return Published(out, now, other, prints)


def fetch(published: Published, key: Path, root: Path) -> subprocess.CompletedProcess[str]:
    """Update lists and download vedette-keyring with an apt whose state is all below root."""
    for name in ("lists/partial", "cache/archives/partial", "parts"):
        (root / name).mkdir(parents=True)
    (root / "status").touch()
    (root / "sources.list").write_text(f"deb [signed-by={key}] copy:{published.out}/apt stable main\n")
    chosen = {
        "Dir::Etc::sourcelist": root / "sources.list",
        "Dir::Etc::sourceparts": root / "parts",
        "Dir::State": root,
        "Dir::State::lists": root / "lists",
        "Dir::State::status": root / "status",
        "Dir::Cache": root / "cache",
        "APT::Architecture": "amd64",
        "APT::Sandbox::User": "root",
    }
    options = [word for name, value in chosen.items() for word in ("-o", f"{name}={value}")]
    script = 'apt-get "$@" -qq update && apt-get "$@" -qq download vedette-keyring'
    return subprocess.run(
        ["sh", "-c", script, "sh", *options], cwd=root, capture_output=True, text=True, check=False
    )


@needs_apt
def test_apt_takes_packages_of_the_key_that_signs(published: Published, tmp_path: Path) -> None:
    done = fetch(published, published.now[1], tmp_path)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.glob("*.deb")] == ["vedette-keyring_1.2.3-1_all.deb"]


@needs_apt
def test_apt_takes_packages_with_the_keyring_that_the_package_brings(
    published: Published, tmp_path: Path
) -> None:
    (deb,) = published.out.glob("*.deb")
    subprocess.run(["dpkg-deb", "--extract", deb, tmp_path / "unpacked"], check=True)
    brought = tmp_path / "unpacked/usr/share/keyrings/vedette-archive-keyring.gpg"
    done = fetch(published, brought, tmp_path)
    assert done.returncode == 0, done.stderr


@needs_apt
def test_apt_refuses_another_key(published: Published, tmp_path: Path) -> None:
    done = fetch(published, published.other[1], tmp_path)
    assert done.returncode != 0
    assert "NO_PUBKEY" in done.stderr


@needs_apt
def test_apt_refuses_a_list_that_was_changed(published: Published, tmp_path: Path) -> None:
    changed = tmp_path / "apt"
    shutil.copytree(published.out / "apt", changed)
    listed = changed / "dists/stable/main/binary-amd64/Packages"
    for file in (listed, listed.with_name("Packages.gz")):
        file.write_bytes(listed.read_bytes().replace(b"Version: 1.2.3", b"Version: 9.9.9"))
    twisted = Published(tmp_path, published.now, published.other, published.prints)
    (tmp_path / "root").mkdir()
    done = fetch(twisted, published.now[1], tmp_path / "root")
    assert done.returncode != 0


def test_the_keyring_has_the_key_of_today_and_the_next(published: Published, tmp_path: Path) -> None:
    (deb,) = published.out.glob("*.deb")
    subprocess.run(["dpkg-deb", "--extract", deb, tmp_path], check=True)
    ring = tmp_path / "usr/share/keyrings/vedette-archive-keyring.gpg"
    shown = subprocess.run(
        ["gpg", "--homedir", tmp_path, "--with-colons", "--show-keys", ring],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert {line.split(":")[9] for line in shown.splitlines() if line.startswith("fpr:")} == set(
        published.prints
    )
    assert "sec:" not in shown


def rpm_says(package: Path, key: Path, database: Path) -> str:
    rpm = ["rpm", "--dbpath", str(database)]
    subprocess.run([*rpm, "--import", key], check=True)
    return subprocess.run([*rpm, "-Kv", package], capture_output=True, text=True, check=False).stdout


@needs_rpm
def test_rpm_verifies_the_signature_and_not_only_the_digests(published: Published, tmp_path: Path) -> None:
    (package,) = published.out.glob("*.rpm")
    rpm = ["rpm", "--dbpath", str(tmp_path / "now")]
    subprocess.run([*rpm, "--import", published.now[1]], check=True)
    done = subprocess.run([*rpm, "-K", package], capture_output=True, text=True, check=True)
    assert "digests signatures OK" in done.stdout
    wrong = rpm_says(package, published.other[1], tmp_path / "other")
    assert "NOKEY" in wrong


@needs_rpm
def test_the_metadata_for_dnf_is_signed(published: Published, tmp_path: Path) -> None:
    if shutil.which("createrepo_c") is None:
        pytest.skip("createrepo-c is not installed")
    listed = published.out / "rpm/repodata/repomd.xml"
    gpg = ["gpg", "--homedir", str(tmp_path), "--batch"]
    subprocess.run([*gpg, "--import", published.now[1]], check=True, capture_output=True)
    verify = [*gpg, "--verify", str(listed.with_name("repomd.xml.asc")), str(listed)]
    assert subprocess.run(verify, capture_output=True, check=False).returncode == 0


def test_a_file_without_a_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "no.asc").write_text("no key\n")
    with signing.keys() as ring:
        with pytest.raises(KeyUnusable, match="holds no OpenPGP key"):
            ring.add(tmp_path / "no.asc")
        with pytest.raises(KeyUnusable, match="no such key file"):
            ring.add(tmp_path / "absent.asc")
