"""How each library that CPython and libbpf need is compiled: static, position independent, nothing else."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from . import apt, cache, shell
from .sources import BZIP2, ELFUTILS, LIBBPF, LIBFFI, OPENSSL, SQLITE, XZ, ZLIB, Source
from .toolchain import Toolchain, jobs


@dataclass(frozen=True)
class Step:
    """One library on its way: its unpacked source, where it goes, what it may use, and the compiler."""

    source: Path
    prefix: Path
    uses: Mapping[str, Path]  # name of an earlier library to its prefix
    tools: Toolchain

    def run(self, *command: str | Path, folder: Path | None = None) -> None:
        """Run a command of the library's build.

        Raises:
            BuildFailed: it ended with an error.
        """
        shell.run(command, folder or self.source, self.tools.environment)

    def configure(self, *options: str) -> None:
        """Run an autoconf script for a static library."""
        static = ("--disable-shared", "--enable-static", "--with-pic")
        self.run("./configure", f"--prefix={self.prefix}", f"--libdir={self.prefix}/lib", *static, *options)

    def install(self, libraries: list[str], headers: list[str]) -> None:
        """Copy what a makefile without a fitting target of its own has built."""
        for kind, files in (("lib", libraries), ("include", headers)):
            (self.prefix / kind).mkdir(exist_ok=True)
            for file in files:
                shutil.copy(self.source / file, self.prefix / kind)


_LTDL = "/usr/share/aclocal/ltdl.m4"
"""libffi's configure script asks by it how symbols are written."""


def _libffi(step: Step) -> None:
    shell.need(
        {"autoreconf": "autoconf", "aclocal": "automake", "libtoolize": "libtool", _LTDL: "libltdl-dev"}
    )
    step.run("autoreconf", "-fi")
    step.configure("--disable-docs", "--disable-multi-os-directory")
    step.run("make", jobs(), "install")


def _zlib(step: Step) -> None:
    step.run("./configure", f"--prefix={step.prefix}", "--static")
    step.run("make", jobs(), "install")


def _bzip2(step: Step) -> None:
    flags = f"CFLAGS={step.tools.environment['CFLAGS']} -D_FILE_OFFSET_BITS=64"
    step.run("make", "CC=zcc", "AR=zar", "RANLIB=zranlib", flags, "libbz2.a")
    step.install(["libbz2.a"], ["bzlib.h"])


def _xz(step: Step) -> None:
    programs = ("xz", "xzdec", "lzmadec", "lzmainfo", "scripts", "doc", "nls")
    step.configure(*(f"--disable-{name}" for name in programs))
    step.run("make", jobs(), "install")


def _sqlite(step: Step) -> None:
    shell.need({"tclsh": "tcl"})
    step.configure("--disable-tcl", "--disable-readline", "CC=zcc")
    step.run("make", "sqlite3.c")
    flags = step.tools.environment["CFLAGS"].split()
    step.run("zcc", *flags, "-DSQLITE_THREADSAFE=1", "-c", "sqlite3.c", "-o", "sqlite3.o")
    step.run("zar", "rcs", "libsqlite3.a", "sqlite3.o")
    step.install(["libsqlite3.a"], ["sqlite3.h", "sqlite3ext.h"])


_OPENSSL_LEFT_OUT = (
    *(
        "shared",
        "tests",
        "docs",
        "apps",
        "legacy",
        "engine",
        "module",
        "quic",
        "dtls",
        "cmp",
        "cms",
        "ts",
        "srp",
    ),
    *(
        "ssl3",
        "tls1",
        "tls1_1",
        "idea",
        "seed",
        "camellia",
        "aria",
        "bf",
        "cast",
        "rc2",
        "rc4",
        "mdc2",
        "gost",
    ),
    *("whirlpool", "sm2", "sm3", "sm4", "slh-dsa"),
)
"""What no connection or digest of ours uses: less to carry, and less to attack."""
_OPENSSL_PREFIX = "/usr/lib/vedette/openssl"
"""Where OpenSSL would look for more of its code: a folder of root's, and never one of the build."""


def _openssl(step: Step) -> None:
    shell.need({"perl": "perl"})
    step.run(
        "./Configure",
        step.tools.architecture.openssl,
        *(f"no-{name}" for name in _OPENSSL_LEFT_OUT),
        f"--prefix={_OPENSSL_PREFIX}",
        "--libdir=lib",
        "--openssldir=/etc/ssl",
    )
    step.run("make", jobs(), "build_libs")
    installed = step.source.parent / "installed"
    step.run("make", "install_dev", f"DESTDIR={installed}")
    shutil.copytree(f"{installed}{_OPENSSL_PREFIX}", step.prefix, dirs_exist_ok=True)


def _libelf(step: Step) -> None:
    shell.need({"m4": "m4"})
    zlib = step.uses["zlib"]
    left_out = ("--disable-debuginfod", "--disable-libdebuginfod", "--disable-nls", "--disable-demangler")
    compressors = ("--without-bzlib", "--without-lzma", "--without-zstd")
    step.configure(*left_out, *compressors, f"CPPFLAGS=-I{zlib}/include", f"LDFLAGS=-L{zlib}/lib")
    step.run("make", jobs(), "-C", "lib")
    step.run("make", jobs(), "-C", "libelf", "libelf.a")
    step.install(["libelf/libelf.a", "lib/libeu.a"], ["libelf/libelf.h", "libelf/gelf.h", "libelf/nlist.h"])


def _libbpf(step: Step) -> None:
    folder = step.source / "src"
    elf, zlib = step.uses["libelf"] / "lib", step.uses["zlib"] / "lib"
    step.run(
        "zcc",
        *step.tools.environment["CFLAGS"].split(),
        *("-D_LARGEFILE64_SOURCE", "-D_FILE_OFFSET_BITS=64", "-w", "-shared", "-s"),
        *("-I.", "-I../include", "-I../include/uapi"),
        *(f"-I{step.uses[name]}/include" for name in ("libelf", "zlib")),
        *(
            "-Wl,--gc-sections",
            "-Wl,-z,defs",
            "-Wl,--version-script=libbpf.map",
            "-Wl,-soname,libbpf.so.1",
            "-o",
            step.prefix / "libbpf.so.1",
        ),
        *sorted(path.name for path in folder.glob("*.c")),
        *(elf / "libelf.a", elf / "libeu.a", zlib / "libz.a"),
        folder=folder,
    )


@dataclass(frozen=True)
class Recipe:
    """A library: its source, what it is linked with, and how it is made."""

    source: Source
    make: Callable[[Step], None]
    uses: tuple[str, ...] = ()


RECIPES = {
    "zlib": Recipe(ZLIB, _zlib),
    "libffi": Recipe(LIBFFI, _libffi),
    "bzip2": Recipe(BZIP2, _bzip2),
    "xz": Recipe(XZ, _xz),
    "sqlite": Recipe(SQLITE, _sqlite),
    "openssl": Recipe(OPENSSL, _openssl),
    "libelf": Recipe(ELFUTILS, _libelf, ("zlib",)),
    "libbpf": Recipe(LIBBPF, _libbpf, ("libelf", "zlib")),
}


def library(name: str, folder: Path, tools: Toolchain) -> Path:
    """Return the prefix with one compiled library, from the cache if it was made before.

    Raises:
        BuildFailed: it cannot be fetched or compiled.
    """
    recipe = RECIPES[name]
    uses = {used: library(used, folder, tools) for used in recipe.uses}

    def make(prefix: Path) -> None:
        with tempfile.TemporaryDirectory(prefix=f".{name}-source-", dir=folder) as work:
            source = Path(work) / name
            apt.unpack(recipe.source, folder, source)
            recipe.make(Step(source, prefix, uses, tools))

    inputs = [repr(recipe.source), tools.architecture.target, *(path.name for path in uses.values())]
    return cache.kept(folder, name, [*inputs, *cache.code("recipes", "toolchain", "apt")], make)
