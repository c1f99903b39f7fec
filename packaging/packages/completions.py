"""Completions of our commands for bash, zsh and fish: verbs, their words, and the options of each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .product import Product, Program
from .verbs import Verb, verbs

_BASH = """# bash completion of @NAME@
_@ID@() {
    local current=${COMP_WORDS[COMP_CWORD]} typed="" word
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case $word in -*) ;; *) typed="${typed:+$typed }$word" ;; esac
    done
    local next="" options=""
    case $typed in
@NEXT@
    esac
    case $typed in
@OPTIONS@
    esac
    case $current in
    -*) mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current") ;;
    *)
        mapfile -t COMPREPLY < <(compgen -W "$next" -- "$current")
        [ -n "$next" ] || mapfile -t COMPREPLY < <(compgen -f -- "$current")
        ;;
    esac
}
complete -F _@ID@ @NAME@
"""
_ZSH = """#compdef @NAME@
# zsh completion of @NAME@
local -a verbs
verbs=(
@VERBS@
)
if (( CURRENT == 2 )); then
    _describe 'command' verbs
    return
fi
case "${(j: :)words[2,-1]}" in
@OPTIONS@
esac
"""


def write(product: Product, target: Path) -> None:
    """Write bash/, zsh/ and fish/ with a file for each program of product into target."""
    for program in product.programs:
        every = verbs(program, product.left_out)
        for folder, name, text in (
            ("bash", program.name, bash(program, every)),
            ("zsh", f"_{program.name}", zsh(program, every)),
            ("fish", f"{program.name}.fish", fish(program, every)),
        ):
            (target / folder).mkdir(parents=True, exist_ok=True)
            (target / folder / name).write_text(text)


def bash(program: Program, every: Sequence[Verb]) -> str:
    """Return the completion for bash."""
    beginnings: dict[str, list[str]] = {}
    for verb in every:
        words = verb.words.split()
        for length in range(len(words)):
            following = beginnings.setdefault(" ".join(words[:length]), [])
            if words[length] not in following:
                following.append(words[length])
    steps = [f'    "{begun}") next="{" ".join(following)}" ;;' for begun, following in beginnings.items()]
    longest_first = sorted(every, key=lambda verb: -len(verb.words))
    options = [f'    "{verb.words}"*) options="{" ".join(_flags(verb))}" ;;' for verb in longest_first]
    text = _BASH.replace("@NEXT@", "\n".join(steps)).replace("@OPTIONS@", "\n".join(options))
    return _named(text, program)


def zsh(program: Program, every: Sequence[Verb]) -> str:
    """Return the completion for zsh."""
    first: dict[str, str] = {}
    for verb in every:
        word, _, more = verb.words.partition(" ")
        first.setdefault(word, f"{word} ..." if more else verb.summary)
    listed = [f"    {_quoted(f'{word}:{_no_colon(summary)}')}" for word, summary in first.items()]
    options = []
    for verb in sorted(every, key=lambda verb: -len(verb.words)):
        flags = " ".join(_quoted(flag) for flag in _flags(verb))
        options.append(f"{_quoted(verb.words)}*) compadd -- {flags}; _files ;;")
    for begun in sorted({verb.words.partition(" ")[0] for verb in every if " " in verb.words}):
        second = sorted({verb.words.split()[1] for verb in every if verb.words.startswith(f"{begun} ")})
        options.append(f"{_quoted(begun)}*) compadd -- {' '.join(map(_quoted, second))} ;;")
    text = _ZSH.replace("@VERBS@", "\n".join(listed)).replace("@OPTIONS@", "\n".join(options))
    return _named(text, program)


def fish(program: Program, every: Sequence[Verb]) -> str:
    """Return the completion for fish."""
    first = sorted({verb.words.split()[0] for verb in every})
    lines = [f"# fish completion of {program.name}"]
    for verb in every:
        words = verb.words.split()
        seen = f"__fish_seen_subcommand_from {' '.join(words[:-1])}" if words[1:] else ""
        when = seen or f"not __fish_seen_subcommand_from {' '.join(first)}"
        lines.append(
            f"complete -c {program.name} -f -n {_quoted(when)} -a {words[-1]} -d {_quoted(verb.summary)}"
        )
        chosen = "; and ".join(f"__fish_seen_subcommand_from {word}" for word in words)
        lines += [
            f"complete -c {program.name} -n {_quoted(chosen)} -l {flag[2:]}"
            f"{' -r' if option.value else ''} -d {_quoted(option.help)}"
            for option in verb.options
            for flag in option.flags
            if flag.startswith("--")
        ]
    return "\n".join(lines) + "\n"


def _flags(verb: Verb) -> list[str]:
    return [flag for option in verb.options for flag in option.flags if flag.startswith("--")]


def _named(text: str, program: Program) -> str:
    return text.replace("@NAME@", program.name).replace("@ID@", program.name.replace("-", "_"))


def _quoted(text: str) -> str:
    """Return text as one word of a shell; fish reads it as POSIX shells do where no quote is inside."""
    return "'" + text.replace("'", "") + "'"


def _no_colon(text: str) -> str:
    return text.replace(":", " -")
