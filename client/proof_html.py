"""A proof as one HTML page to print or hand on: no script, nothing loaded from anywhere."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from .proof_words import conclusions, link, meaning
from .proven import Proof
from .text import endpoint, safe, size, utc

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>
:root {{ color-scheme: light; --line: #d5d9de; --dim: #5b6470; --good: #10703c; --bad: #b3261e; }}
body {{ font: 15px/1.5 system-ui, sans-serif; color: #16191d; max-width: 68rem; margin: 2rem auto;
       padding: 0 1.5rem; }}
h1 {{ font-size: 1.6rem; margin: 0 0 .25rem; }} h2 {{ font-size: 1.1rem; margin: 2rem 0 .5rem; }}
p {{ margin: .4rem 0; }} .dim {{ color: var(--dim); }}
.status {{ display: inline-block; padding: .15rem .6rem; border-radius: .3rem; color: #fff; font-weight: 600;
          background: var(--bad); }}
.status.good {{ background: var(--good); }}
ul.problems {{ color: var(--bad); }}
table {{ border-collapse: collapse; width: 100%; font-size: .87rem; }}
th, td {{ text-align: left; padding: .3rem .7rem .3rem 0; border-bottom: 1px solid var(--line);
         vertical-align: top; overflow-wrap: break-word; }}
th {{ color: var(--dim); font-weight: 600; white-space: nowrap; }}
td.number, th.number {{ text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }}
code {{ font-size: .85em; overflow-wrap: anywhere; }}
@media print {{ body {{ margin: 0; max-width: none; font-size: 11px; }} h2 {{ break-after: avoid; }}
               tr {{ break-inside: avoid; }} .status {{ print-color-adjust: exact; }} }}
</style></head><body>
{body}
</body></html>
"""
_GOOD = frozenset({"verified", "consistent, not anchored"})


def page(proof: Proof) -> str:
    """Return the page; whatever events hold is shown as text and never as markup."""
    parts = [
        f"<h1>{_text(_title(proof))}</h1>",
        f'<p class="dim">{utc(proof.begin)} to {utc(proof.end)}</p>',
        f"<p>{_status(proof)} {_text(meaning(proof))}</p>",
        _problems(proof),
        *[f"<p>{_text(sentence)}</p>" for sentence in conclusions(proof)],
        _table("Sessions", _SESSIONS, _sessions(proof)),
        _table("Became", ("when", "where", "as", "command"), _became(proof)),
        _table("Connections", _CONNECTIONS, _connections(proof)),
        _table("Sensitive files read", ("path", "when", "by", "files#", "bytes#"), _looked(proof)),
        _table("What is covered", _COVERAGE, _coverage(proof)),
        '<p class="dim">Check it anywhere: <code>vedette prove --bundle FILE --trust RECEIPTS</code></p>',
        f'<p class="dim">Bundle <code>{_text(proof.bundle)}</code></p>',
    ]
    return _PAGE.format(title=_text(_title(proof)), body="\n".join(part for part in parts if part))


_SESSIONS = ("host and session", "as", "began", "ended", "from", "key", "commands#", "how we know")
_CONNECTIONS = ("session", "direction", "with", "bytes out#", "bytes in#", "connections#", "program")
_COVERAGE = ("host", "agent", "statements#", "events#", "receipts", "missing or lost")


def _title(proof: Proof) -> str:
    return f"Proof of incident {proof.incident}" if proof.incident else "Proof"


def _status(proof: Proof) -> str:
    good = " good" if proof.status in _GOOD else ""
    return f'<span class="status{good}">{_text(proof.status)}</span>'


def _text(value: str) -> str:
    return html.escape(safe(value))


def _problems(proof: Proof) -> str:
    if not proof.problems:
        return ""
    return f'<ul class="problems">{"".join(f"<li>{_text(one)}</li>" for one in proof.problems)}</ul>'


def _table(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table, nothing where there are no rows; a head that ends with # is of numbers."""
    marks = ['<{} class="number">' if head.endswith("#") else "<{}>" for head in heads]
    cells = [
        "".join(f"{mark.format('td')}{_text(value)}</td>" for mark, value in zip(marks, row, strict=True))
        for row in rows
    ]
    if not cells:
        return ""
    top = "".join(
        f"{mark.format('th')}{_text(head.rstrip('#'))}</th>" for mark, head in zip(marks, heads, strict=True)
    )
    body = "".join(f"<tr>{cell}</tr>" for cell in cells)
    return f"<h2>{_text(title)}</h2><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _sessions(proof: Proof) -> Iterable[Sequence[str]]:
    for one in proof.stays:
        yield (
            f"{one.host} {one.session}", one.account, utc(one.opened), utc(one.closed), one.source or "-",
            one.fingerprint or "-", str(one.commands), link(proof, one),
        )  # fmt: skip


def _became(proof: Proof) -> Iterable[Sequence[str]]:
    for one in proof.became:
        yield utc(one.time), proof.stays[one.stay].host, one.target, one.command or "-"


def _connections(proof: Proof) -> Iterable[Sequence[str]]:
    for one in proof.sent:
        stay = proof.stays[one.stay]
        hop = "" if one.to_stay is None else f" = {proof.stays[one.to_stay].host}"
        remote = endpoint(one.remote, one.port if one.direction == "out" else None, one.name) + hop
        yield (
            f"{stay.host} {stay.session}", one.direction, remote, size(one.bytes_out), size(one.bytes_in),
            str(one.connections), ", ".join(one.programs) or "-",
        )  # fmt: skip


def _looked(proof: Proof) -> Iterable[Sequence[str]]:
    for one in proof.looked:
        yield one.path, utc(one.time), one.program or "-", str(one.files), size(one.bytes)


def _coverage(proof: Proof) -> Iterable[Sequence[str]]:
    for one in proof.coverage:
        gaps = "; ".join((*one.missing, *one.losses)) or "nothing"
        receipts = "agree" if one.anchored else "none given"
        yield one.host, one.agent, str(one.statements), str(one.events), receipts, gaps
