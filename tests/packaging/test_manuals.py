"""Every verb has a page of the manual and a completion, and both are what their readers can read."""

from __future__ import annotations

import importlib
import pkgutil
import shutil
import subprocess
from pathlib import Path

import pytest
from packages import completions, manpages
from packages.product import AGENT, COLLECTOR, PRODUCTS, Product, Program
from packages.verbs import Option, Verb, verbs

PROGRAMS = [(product, program) for product in PRODUCTS for program in product.programs]
each_program = pytest.mark.parametrize(
    ("product", "program"), PROGRAMS, ids=[program.name for _, program in PROGRAMS]
)


def modules(product: Product, program: Program) -> set[str]:
    """Return the names of the command modules that product ships, with dashes."""
    package = program.module.split(".")[0]
    folder = importlib.import_module(f"{package}.commands").__path__
    names = {found.name for found in pkgutil.iter_modules(folder)}
    return {
        name.replace("_", "-") for name in names if f"{package}/commands/{name}.py" not in product.left_out
    }


@each_program
def test_every_verb_has_a_page(product: Product, program: Program) -> None:
    names = {name for name, _ in manpages.pages(program, product.left_out)}
    assert names == {program.name} | {f"{program.name}-{name}" for name in modules(product, program)}


@each_program
@pytest.mark.skipif(shutil.which("mandoc") is None, reason="mandoc is not installed")
def test_pages_are_sound(product: Product, program: Program, tmp_path: Path) -> None:
    for name, text in manpages.pages(program, product.left_out):
        file = tmp_path / name
        file.write_text(text)
        done = subprocess.run(
            ["mandoc", "-T", "lint", "-W", "warning", file], capture_output=True, text=True, check=False
        )
        assert done.stdout == "", done.stdout


def test_a_page_tells_of_each_option() -> None:
    text = dict(manpages.pages(AGENT.programs[0], ()))["vedette-agent-enroll"]
    assert r"\fB\-\-token\-file\fR \fIFILE\fR" in text
    assert ".SH EXIT STATUS" in text


def test_what_roff_would_take_for_its_own_is_text() -> None:
    verb = Verb("try", "a summary", "usage", (Option(("--x",), None, (), ".so /etc/shadow \\n(x"),))
    text = manpages.page(AGENT.programs[0], verb)
    assert r"\&.so /etc/shadow \(rsn(x" in text


def test_the_range_is_no_verb_of_the_package() -> None:
    client = COLLECTOR.programs[1]
    assert "range" not in {verb.words for verb in verbs(client, COLLECTOR.left_out)}
    assert "range" in {verb.words for verb in verbs(client)}


def completed(program: Program, script: Path, *words: str) -> set[str]:
    """Return what bash offers after words, of which the last is begun."""
    line = f"COMP_WORDS=({program.name} {' '.join(repr(word) for word in words)}); COMP_CWORD={len(words)}"
    call = f"source {script}; {line}; _{program.name.replace('-', '_')}; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    done = subprocess.run(
        ["bash", "--norc", "-c", call], capture_output=True, text=True, check=True, cwd=script.parent
    )
    return set(done.stdout.split())


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_offers_verbs_their_words_and_options(tmp_path: Path) -> None:
    program = AGENT.programs[0]
    completions.write(AGENT, tmp_path)
    script = tmp_path / "bash" / program.name
    assert completed(program, script, "en") == {"enroll"}
    assert completed(program, script, "spool", "") == {"export", "flush", "status", "verify"}
    assert "--token-file" in completed(program, script, "enroll", "--t")
    assert completed(program, script, "spool", "status", "--j") == {"--json"}


@each_program
@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_read_theirs(product: Product, program: Program, shell: str, tmp_path: Path) -> None:
    completions.write(product, tmp_path)
    name = f"_{program.name}" if shell == "zsh" else f"{program.name}.fish"
    text = (tmp_path / shell / name).read_text()
    for verb in verbs(program, product.left_out):
        assert verb.words.split()[0] in text
    if shutil.which(shell):
        assert subprocess.run([shell, "-n", tmp_path / shell / name], check=False).returncode == 0
