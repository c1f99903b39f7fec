"""Lays out what a package installs below /usr/lib/vedette, and the stubs that start it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from runtime.toolchain import EPOCH

from .errors import LayoutWrong
from .parts import Parts
from .product import ROOT, Product

_BPF = "agent/kernel/bpf"


def lay_out(product: Product, parts: Parts, target: Path) -> Path:
    """Fill target with lib/ (goes to product.home) and bin/ (goes to /usr/bin); return lib's site-packages.

    Raises:
        LayoutWrong: a part is missing.
    """
    home = target / "lib"
    shutil.copytree(parts.python, home / "python", symlinks=True)
    site = home / "python" / "lib" / f"python{parts.version}" / "site-packages"
    shutil.copytree(parts.site, site, dirs_exist_ok=True)
    copy_own(product, site)
    if product.which == "agent":
        add_kernel_objects(ROOT / _BPF, parts.libbpf, site / _BPF)
    compile_own(product, home / "python", parts.version, site)
    write_stubs(product, parts.version, target / "bin")
    return site


def copy_own(product: Product, site: Path) -> None:
    """Copy the modules of ours that product ships into site."""
    for package in product.own:
        for source in sorted((ROOT / package).rglob("*.py")):
            name = source.relative_to(ROOT)
            if str(name) not in product.left_out:
                (site / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, site / name)


def add_kernel_objects(objects: Path, libbpf: Path, target: Path) -> None:
    """Copy the eBPF objects and libbpf beside each other into target.

    Raises:
        LayoutWrong: no object, for `make bpf` found no clang, or not all of them.
    """
    wanted = {path.name.replace(".bpf.c", ".bpf.o") for path in objects.glob("*.bpf.c")}
    found = {path.name for path in objects.glob("*.bpf.o")}
    if missing := sorted(wanted - found):
        raise LayoutWrong(f"not compiled: {', '.join(missing)}; `make bpf` needs clang and libbpf-dev")
    target.mkdir(parents=True, exist_ok=True)
    for name in sorted(wanted):
        shutil.copyfile(objects / name, target / name)
    shutil.copyfile(libbpf, target / "libbpf.so.1")


def compile_own(product: Product, python: Path, version: str, site: Path) -> None:
    """Compile our modules in site: equal sources give equal bytes, and nothing is compiled at run time.

    Raises:
        LayoutWrong: a module does not compile, or the interpreter does not run.
    """
    program = python / "bin" / f"python{version}"
    options = ["-q", "-f", "--invalidation-mode", "unchecked-hash", "-s", str(site)]
    done = subprocess.run(
        [
            program,
            "-I",
            "-X",
            "no_debug_ranges",
            "-m",
            "compileall",
            *options,
            *(str(site / package) for package in product.own),
        ],
        env={**os.environ, "PYTHONHASHSEED": "0", "SOURCE_DATE_EPOCH": EPOCH},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise LayoutWrong(f"{program} compiles not all of our modules:\n{done.stdout}{done.stderr}")


def write_stubs(product: Product, version: str, target: Path) -> None:
    """Write the commands: run by the bundled interpreter, deaf to PYTHON* and to the working directory.

    A script with the interpreter in its first line, and not a shell's, is shown by ps under its own name.
    """
    target.mkdir(parents=True, exist_ok=True)
    for program in product.programs:
        stub = target / program.name
        stub.write_text(
            f"#!{product.home}/python/bin/python{version} -I\n"
            f"import sys\n\nfrom {program.module} import main\n\nsys.exit(main())\n"
        )
        stub.chmod(0o755)


def settle(tree: Path) -> None:
    """Give everything in tree the modes and times it is packed with: 0755 or 0644, and the build's epoch."""
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or _runs(path) else 0o644)
        os.utime(path, (int(EPOCH), int(EPOCH)), follow_symlinks=False)


def _runs(path: Path) -> bool:
    """Tell whether a file is to be executable: of the others, some wheels say so too."""
    return path.stat().st_mode & 0o100 != 0 and (path.parent.name == "bin" or ".so" in path.suffixes)
