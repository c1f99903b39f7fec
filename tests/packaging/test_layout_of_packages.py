"""What the packages contain, and that their commands are deaf to where they are started."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from packages import notices, sbom, staging
from packages.errors import LayoutWrong
from packages.nfpm import Release
from packages.parts import Parts
from packages.product import AGENT, PREFIX, PRODUCTS, ROOT, Product

Build = Callable[[Product, Release], dict[str, Path]]


def listed(deb: Path) -> dict[str, tuple[str, str]]:
    """Return path to (mode, owner/group) of what a deb contains."""
    done = subprocess.run(["dpkg-deb", "--contents", deb], capture_output=True, text=True, check=True)
    rows = [line.split(maxsplit=5) for line in done.stdout.splitlines()]
    return {row[5].split(" -> ")[0].removeprefix(".").rstrip("/"): (row[0], row[1]) for row in rows}


def unpacked(deb: Path, target: Path) -> Path:
    subprocess.run(["dpkg-deb", "--extract", deb, target], check=True)
    return target


def own_modules(paths: set[str]) -> set[str]:
    """Return the import packages of this repository among paths."""
    known = {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()}
    return {part for path in paths if "/site-packages/" in path for part in path.split("/")} & known


def test_the_agents_package_has_agent_and_evidence_and_nothing_else_of_ours(agent: dict[str, Path]) -> None:
    paths = set(listed(agent["deb"]))
    assert own_modules(paths) == {"agent", "evidence"}
    shipped = {
        path.split("/site-packages/")[1] for path in paths if path.endswith(".py") and "site-pack" in path
    }
    assert shipped == {
        str(path.relative_to(ROOT)) for name in ("agent", "evidence") for path in (ROOT / name).rglob("*.py")
    }


def test_the_collectors_package_has_no_agent_and_no_range(collector: dict[str, Path]) -> None:
    paths = set(listed(collector["deb"]))
    assert own_modules(paths) == {"collector", "client", "evidence"}
    assert not [path for path in paths if path.endswith(("commands/range.py", ".bpf.o"))]


def test_every_module_is_compiled_and_no_other(agent: dict[str, Path]) -> None:
    paths = set(listed(agent["deb"]))
    own = {path for path in paths if f"{PREFIX}/agent/python/lib" in path and "/site-packages/" in path}
    sources = {path for path in own if path.endswith(".py")}
    compiled = {path for path in own if path.endswith(".pyc")}
    assert {Path(path).parent.parent / (Path(path).name.split(".")[0] + ".py") for path in compiled} == {
        Path(path) for path in sources
    }


def test_kernel_objects_lie_beside_the_library_that_loads_them(agent: dict[str, Path]) -> None:
    folder = {Path(path).name for path in listed(agent["deb"]) if "/agent/kernel/bpf/" in path}
    assert folder == {path.name.replace(".bpf.c", ".bpf.o") for path in ROOT.rglob("bpf/*.bpf.c")} | {
        "libbpf.so.1"
    }


def test_settings_are_closed_to_others(agent: dict[str, Path], collector: dict[str, Path]) -> None:
    found = listed(agent["deb"])
    assert found["/etc/vedette"] == ("drwxr-x---", "root/vedette")
    assert found["/etc/vedette/agent.d"] == ("drwxr-s---", "root/vedette-ship")
    assert found["/etc/vedette/agent.toml"] == ("-rw-r-----", "root/vedette-ship")
    assert listed(collector["deb"])["/etc/vedette/collector.d"] == ("drwxr-s---", "root/vedette-collector")


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.which)
def test_units_users_and_manuals_are_where_the_system_looks(
    product: Product, request: pytest.FixtureRequest
) -> None:
    found = listed(request.getfixturevalue(product.which)["deb"])
    wanted = {f"/usr/lib/systemd/system/{unit}" for unit in product.units}
    wanted |= {f"/usr/lib/sysusers.d/{product.name}.conf", f"/usr/share/doc/{product.name}/copyright"}
    wanted |= {f"/usr/bin/{program.name}" for program in product.programs}
    wanted |= {f"/usr/share/man/man{one.section}/{one.name}.{one.section}.gz" for one in product.programs}
    assert wanted <= found.keys()
    assert not [path for path in found if path.startswith("/etc/systemd")]
    assert [path for path in found if path.startswith("/usr/bin/")] == sorted(
        f"/usr/bin/{program.name}" for program in product.programs
    )


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.which)
def test_commands_are_deaf_to_where_they_are_started(
    product: Product, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    root = unpacked(request.getfixturevalue(product.which)["deb"], tmp_path / "root")
    hostile = tmp_path / "hostile"
    for name in ("os.py", "msgspec.py", "agent/__init__.py", "client/__init__.py", "collector/__init__.py"):
        (hostile / name).parent.mkdir(parents=True, exist_ok=True)
        (hostile / name).write_text("print('TAKEN OVER')\nraise SystemExit(66)\n")
    for program in product.programs:
        stub = root / "usr/bin" / program.name
        # The first line names a place below /; run from here it is below root.
        stub.write_text(stub.read_text().replace("#!/usr", f"#!{root}/usr", 1))
        done = subprocess.run(
            [stub, "--version"],
            cwd=hostile,
            env={
                "PATH": os.defpath,
                "PYTHONPATH": str(hostile),
                "PYTHONHOME": str(hostile),
                "PYTHONSTARTUP": str(hostile / "os.py"),
                "PYTHONINSPECT": "1",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, "TAKEN" in done.stdout) == (0, False), done.stderr
        assert done.stdout.strip()


def test_a_missing_kernel_object_is_no_package(tmp_path: Path) -> None:
    objects = tmp_path / "bpf"
    objects.mkdir()
    for name in ("exec.bpf.c", "dns.bpf.c", "dns.bpf.o"):
        (objects / name).touch()
    with pytest.raises(LayoutWrong, match=r"exec\.bpf\.o"):
        staging.add_kernel_objects(objects, tmp_path / "libbpf.so.1", tmp_path / "target")


def test_the_bill_names_every_component_and_is_the_same_twice(stand_in: Parts) -> None:
    found = notices.components(stand_in.components)
    bill = sbom.document("vedette-agent", "1.2.3", found)
    assert bill == sbom.document("vedette-agent", "1.2.3", list(reversed(found)))
    read = json.loads(bill)
    assert (read["bomFormat"], read["specVersion"]) == ("CycloneDX", "1.5")
    assert [row["purl"] for row in read["components"]] == [
        "pkg:generic/cpython@3.13.5",
        "pkg:pypi/msgspec@0.22.0",
    ]
    assert read["serialNumber"] != json.loads(sbom.document("vedette-agent", "1.2.4", found))["serialNumber"]


def test_the_copyright_file_has_every_licence_text(stand_in: Parts) -> None:
    text = notices.copyright_text(notices.components(stand_in.components))
    assert "cpython 3.13.5: PSF-2.0" in text
    assert "Do what you like." in text


def test_two_builds_are_equal_byte_for_byte(agent: dict[str, Path], build: Build) -> None:
    again = build(AGENT, Release("1.2.3", "amd64"))
    for ending, path in agent.items():
        assert path.name == again[ending].name
        assert path.read_bytes() == again[ending].read_bytes(), ending
