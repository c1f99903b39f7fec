"""Secrets out of command lines and raw text, each replaced by ``[redacted:<16 hex>]``. Pure.

The mark is a 64-bit BLAKE2b of the value under the fleet's key, so that equal secrets can be told to be equal
on all hosts and nothing more. What looks like a mark already stays as it is.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from . import settings
from .errors import SettingsError
from .secret_words import ANYWHERE, ASSIGNED, ATTACHED, HINT, LOGIN, NAMED, NEXT, PROGRAMS, program_of

TEXT_LIMIT = 16_384
"""Characters of one text or word; a longer one that may hold a secret is replaced as a whole."""

_MARK = re.compile(r"\[redacted:[0-9a-f]{16}\]")
_PIECES = re.compile(r"(?:[^\s\"'|;&]+|\"[^\"]*\"|'[^']*'|[\"'])+|[|;&]+|\s+")
_SPACE = re.compile(r"\s")
_FILE_AND_USER = 3
_DEEPEST = 4
"""Levels of command lines in words of others (`sh -c "ssh h 'mysql -p…'"`); what is deeper is marked."""
_HARMLESS, _HARMLESS_LENGTH = 2048, 128
"""Words, and their characters, that are remembered to hold no hint of a secret."""


class Redactor:
    """The built-in forms and those of the settings, under one key of up to 64 bytes."""

    def __init__(self, key: bytes, further: settings.Redaction) -> None:
        """Compile the further patterns.

        Raises:
            SettingsError: a pattern is no regular expression.
        """
        self._key = key
        self._flags = frozenset(further.flags)
        self._patterns: list[re.Pattern[str]] = []
        self._harmless: set[str] = set()
        """Words of command lines that hold no hint: no hint spans two words, so none is in words of these."""
        self._numbers = not further.patterns
        """Whether numbers are harmless: they are no hints, but may be what a further pattern looks for."""
        for pattern in further.patterns:
            try:
                self._patterns.append(re.compile(pattern))
            except re.error as error:
                raise SettingsError(
                    f"redaction.patterns: {pattern!r} is no regular expression: {error}"
                ) from error

    def mark(self, value: str) -> str:
        """Return what stands for value; the empty string and a mark stand for themselves."""
        if not value or _MARK.fullmatch(value):
            return value
        digest = hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=8, key=self._key)
        return f"[redacted:{digest.hexdigest()}]"

    def argv(self, argv: Sequence[str]) -> tuple[str, ...]:
        """Return argv with as many arguments and without the secrets in them."""
        harmless = self._harmless
        numbers = self._numbers
        unknown = [word for word in argv if word not in harmless and not (numbers and word.isdecimal())]
        if not unknown:
            return tuple(argv)
        if self._may_hold(" ".join(unknown)):
            return tuple(self._command(argv, 0))
        if len(harmless) > _HARMLESS:
            harmless.clear()
        harmless.update([word for word in unknown if len(word) <= _HARMLESS_LENGTH])
        return tuple(argv)

    def text(self, text: str) -> str:
        """Return a command line, or a line of a log or file, without the secrets in it."""
        return self._text(text, 0)

    def _text(self, text: str, depth: int) -> str:
        if not self._may_hold(text):
            return text
        if len(text) > TEXT_LIMIT:
            return self.mark(text)
        pieces: list[str] = _PIECES.findall(self._anywhere(text))
        command: list[int] = []
        for at, piece in enumerate([*pieces, ";"]):
            if not piece.strip("|;&"):
                words = self._command([pieces[place] for place in command], depth)
                for place, word in zip(command, words, strict=True):
                    pieces[place] = word
                command = []
            elif not piece.isspace():
                command.append(at)
        return "".join(pieces)

    def _may_hold(self, text: str) -> bool:
        if self._patterns or (self._flags and any(flag in text for flag in self._flags)):
            return True
        return HINT.search(text.casefold()) is not None or PROGRAMS.search(f" {text}") is not None

    def _command(self, words: Sequence[str], depth: int) -> list[str]:
        """Redact the words of one command; a word that names a known program sets the options that count."""
        done: list[str] = []
        program: str | None = None
        secret_next = False
        for word in words:
            if secret_next and not word.startswith("--"):
                done.append(self._whole(word))
                secret_next = False
                continue
            if not word.startswith("-"):
                program = program_of(word) or program
            attached = self._attached(word, program)
            secret_next = attached is None and self._announces(word, program, words)
            done.append(attached or (word if secret_next else self._word(word, program, depth)))
        if program == "htpasswd" and len(done) > _FILE_AND_USER and any(_is_batch(word) for word in done):
            done[-1] = self._whole(done[-1])
        return done

    def _announces(self, word: str, program: str | None, words: Sequence[str]) -> bool:
        """Return whether the word after this option is its secret value."""
        if not word.startswith("-") or word == "-":
            return False
        if word in self._flags or NAMED.match(word):
            return True
        if program in LOGIN:
            return word == "-p" and "login" in words
        return program is not None and word in NEXT.get(program, ())

    def _attached(self, word: str, program: str | None) -> str | None:
        """Return word redacted when it is an option with its secret in the same word (mysql -pSECRET)."""
        for option in ATTACHED.get(program, ()) if program else ():
            if word.startswith(option) and len(word) > len(option):
                return option + self._whole(word[len(option) :])
        return None

    def _word(self, word: str, program: str | None, depth: int) -> str:
        if len(word) > TEXT_LIMIT:
            return self.mark(word) if self._may_hold(word) else word
        if program == "openssl" and word.startswith("pass:"):
            return "pass:" + self.mark(word[5:])
        assigned = ASSIGNED.match(word)
        if assigned and self._names_secret(assigned["name"], program):
            return assigned["name"] + assigned["sep"] + self._whole(assigned["value"])
        quote, inner = _unquote(word)
        # Of one piece and without quotes around it, it would come back here as it is.
        if _SPACE.search(inner) and (quote or len(_PIECES.findall(inner)) > 1):
            return quote + (self._text(inner, depth + 1) if depth < _DEEPEST else self.mark(inner)) + quote
        return self._anywhere(word)

    def _names_secret(self, name: str, program: str | None) -> bool:
        known = NEXT.get(program, ()) if program else ()
        return NAMED.match(name) is not None or name in self._flags or name in known

    def _whole(self, word: str) -> str:
        quote, inner = _unquote(word)
        return quote + self.mark(inner) + quote

    def _anywhere(self, text: str) -> str:
        for pattern in ANYWHERE:
            text = pattern.sub(self._replace, text)
        for pattern in self._patterns:
            text = pattern.sub(lambda match: self.mark(match[0]), text)
        return text

    def _replace(self, match: re.Match[str]) -> str:
        value = match["value"]
        if _MARK.match(value):
            return match[0]
        start, end = (at - match.start() for at in match.span("value"))
        return match[0][:start] + self.mark(value) + match[0][end:]


def _unquote(word: str) -> tuple[str, str]:
    """Return (quote, what it encloses); an empty quote where word is not enclosed as a whole."""
    if len(word) > 1 and word[0] in "'\"" and word[-1] == word[0]:
        return word[0], word[1:-1]
    return "", word


def _is_batch(word: str) -> bool:
    """Return whether word is a bundle of short options with htpasswd's -b (password on the command line)."""
    return word.startswith("-") and not word.startswith("--") and "b" in word
