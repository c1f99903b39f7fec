"""The table of sources: what is bundled, from which Debian source package, byte for byte.

Debian's fixes of security faults are applied on top of the original source; its other changes are not, for
they suit a system's Python and not a bundled one. When Debian replaces a version its old files leave the
mirrors: raise version and hashes here then (`apt-get source --download-only`, `sha256sum`).
"""

from __future__ import annotations

from dataclasses import dataclass

SUITES = (
    ("debian", "trixie"),
    ("debian", "trixie-updates"),
    ("debian-security", "trixie-security"),
)
"""Archive and suite of the apt sources; the mirror is the one of the machine."""


@dataclass(frozen=True)
class Source:
    """One Debian source package."""

    name: str
    version: str  # of Debian, with its epoch
    files: dict[str, str]  # file name to sha256: the original source first, then Debian's changes
    licence: str  # SPDX expression
    licence_files: tuple[str, ...]  # inside the original source
    patches: str = "^$"  # regular expression over the names in debian/patches/series; none by default

    @property
    def upstream(self) -> str:
        """Version as its makers say it."""
        plain = self.version.partition(":")[2] or self.version
        return plain.rpartition("-")[0].partition("really")[2] or plain.rpartition("-")[0]


CPYTHON = Source(
    name="python3.13",
    version="3.13.5-2+deb13u5",
    files={
        "python3.13_3.13.5.orig.tar.xz": "93e583f243454e6e9e4588ca2c2662206ad961659863277afcdb96801647d640",
        "python3.13_3.13.5-2+deb13u5.debian.tar.xz": (
            "a51f456e654ce2c9b40cc1db8005e5041cdb0b2c3aa96ab0871c49fe95280366"
        ),
    },
    licence="PSF-2.0",
    licence_files=("LICENSE", "Doc/license.rst"),
    patches="^(CVE-|ssl-|dict-use-after-free|traverse-managed-dicts)",
)
OPENSSL = Source(
    name="openssl",
    version="3.5.7-1~deb13u2",
    files={
        "openssl_3.5.7.orig.tar.gz": "a8c0d28a529ca480f9f36cf5792e2cd21984552a3c8e4aa11a24aa31aeac98e8",
        "openssl_3.5.7-1~deb13u2.debian.tar.xz": (
            "593a47654ead460a3b609503733f80bef552ff0802799d3b47784faacc50809f"
        ),
    },
    licence="Apache-2.0",
    licence_files=("LICENSE.txt",),
    patches="^(?!debian-targets|man-section|no-symbolic|pic|c_rehash|Configure-|Add-)",
)
LIBFFI = Source(
    name="libffi",
    version="3.4.8-2",
    files={
        "libffi_3.4.8.orig.tar.gz": "cbb7f0b3b095dc506387ec1e35b891bfb4891d05b90a495bc69a10f2293f80ff",
        "libffi_3.4.8-2.debian.tar.xz": "f23ac79a19895ebb6bbb539263d0d945ebc2d3e91217a597f5819777f08b401c",
    },
    licence="MIT",
    licence_files=("LICENSE",),
    patches="^git-updates",
)
SQLITE = Source(
    name="sqlite3",
    version="3.46.1-7+deb13u2",
    files={
        "sqlite3_3.46.1.orig.tar.xz": "d0cdd2ece271b29e7ce18095745d892517ee26d0f270065b3a25c2e9eb11639c",
        "sqlite3_3.46.1-7+deb13u2.debian.tar.xz": (
            "59d33bc436258603702bb051d645743ab03612b82f79e7c7d638c65127c21261"
        ),
    },
    licence="blessing",
    licence_files=("LICENSE.md",),
    patches="CVE-|^41-fix",
)
ZLIB = Source(
    name="zlib",
    version="1:1.3.dfsg+really1.3.1-1",
    files={
        "zlib_1.3.dfsg+really1.3.1.orig.tar.gz": (
            "60dd315c07f616887caa029408308a018ace66e3d142726a97db164b3b8f69fb"
        ),
        "zlib_1.3.dfsg+really1.3.1-1.debian.tar.xz": (
            "9ed525955ce9fb0c1b39be8ff98f73450dbfc6305a9a27e6149c8972d38a0a9e"
        ),
    },
    licence="Zlib",
    licence_files=("LICENSE",),
    patches="CVE-",
)
BZIP2 = Source(
    name="bzip2",
    version="1.0.8-6",
    files={
        "bzip2_1.0.8.orig.tar.gz": "ab5a03176ee106d3f0fa90e381da478ddae405918153cca248e682cd0c4a2269",
        "bzip2_1.0.8-6.debian.tar.bz2": "648ed0dac9a041ba6951e0cca521628aa39947cefee78139f7b934a5dc502095",
    },
    licence="bzip2-1.0.6",
    licence_files=("LICENSE",),
)
XZ = Source(
    name="xz-utils",
    version="5.8.1-1+deb13u1",
    files={
        "xz-utils_5.8.1.orig.tar.xz": "0b54f79df85912504de0b14aec7971e3f964491af1812d83447005807513cd9e",
        "xz-utils_5.8.1-1+deb13u1.debian.tar.xz": (
            "0e48427971a9ce674ddbba26e34ac1dd009c683f3816ce17852d99dc7b0a8e46"
        ),
    },
    licence="0BSD",
    licence_files=("COPYING.0BSD",),
    patches="CVE-|^0001-liblzma",
)
ELFUTILS = Source(
    name="elfutils",
    version="0.192-4",
    files={
        "elfutils_0.192.orig.tar.bz2": "616099beae24aba11f9b63d86ca6cc8d566d968b802391334c91df54eab416b4",
        "elfutils_0.192-4.debian.tar.xz": "a18efee3ae99ea25e10a0b8c4b731a28dee685361ae89ea8136e9065c86c8942",
    },
    licence="GPL-2.0-or-later OR LGPL-3.0-or-later",
    licence_files=("COPYING-LGPLV3", "COPYING-GPLV2", "COPYING"),
)
LIBBPF = Source(
    name="libbpf",
    version="1.5.0-3",
    files={
        "libbpf_1.5.0.orig.tar.gz": "53492aff6dd47e4da04ef5e672d753b9743848bdb38e9d90eafbe190b7983c44",
        "libbpf_1.5.0-3.debian.tar.xz": "b526c99fc75f632540306a958576fe3923890cba95d4999efc458784802da460",
    },
    licence="LGPL-2.1-only OR BSD-2-Clause",
    licence_files=("LICENSE.BSD-2-Clause", "LICENSE.LGPL-2.1"),
    patches=".",
)
IN_PYTHON = (CPYTHON, OPENSSL, LIBFFI, SQLITE, ZLIB, BZIP2, XZ)
IN_LIBBPF = (LIBBPF, ELFUTILS, ZLIB)
