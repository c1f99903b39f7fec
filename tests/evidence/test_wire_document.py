"""docs/wire.md says what the code does: every byte of its example, every name, number and table."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from evidence import bundle, decision, endpoints, enrolment, frame, host_receipts, refusal, seal, statement
from evidence.entry import EntryType
from evidence.kind import Body, Part
from evidence.policy import POLICY_TYPE, Policy
from evidence.policy_settings import Section
from evidence.receipt import Receipt
from evidence.refusal import RETRY, STATUS, Code
from evidence.statement import Statement
from tests.evidence import wire_tables
from tests.evidence.wire_example import Example, raw_frame

TEXT = (Path(__file__).parents[2] / "docs" / "wire.md").read_text()
BLOCKS = dict(re.findall(r"^```text ([a-z0-9.]+)\n(.*?)\n```$", TEXT, re.MULTILINE | re.DOTALL))
EXAMPLE = {name: text.removesuffix("\n") for name, text in Example().blocks.items()}


def row(section: int, first: str) -> list[str]:
    """Return the cells of a section's table row that begins with these cells."""
    text = re.split(r"^## ", TEXT, flags=re.MULTILINE)[section]
    (found,) = re.findall(rf"^\| {re.escape(first)} \|(.*)\|$", text, re.MULTILINE)
    return [cell.strip() for cell in found.split("|")]


@pytest.mark.parametrize("name", EXAMPLE)
def test_each_byte_of_the_example_follows_from_its_seeds(name: str) -> None:
    assert BLOCKS[name] == EXAMPLE[name]


def test_the_example_has_no_other_block() -> None:
    assert set(BLOCKS) == set(EXAMPLE)


@pytest.mark.parametrize("number", [1, 2])
def test_the_examples_batches_open(number: int) -> None:
    raw = BLOCKS[f"events.{number}"].encode() + b"\n"
    data = bytes.fromhex(BLOCKS[f"frame.{number}.header"]) + raw
    assert data == raw_frame(raw)
    assert frame.decompress(data, seal.RAW_LIMIT) == raw
    envelope = BLOCKS[f"envelope.{number}"].encode()
    _, decoded = seal.unseal(envelope, data, bytes.fromhex(BLOCKS["public.host"]))
    assert (len(decoded.events), decoded.malformed) == (2, [])


def test_every_endpoint_is_named() -> None:
    paths = (endpoints.BATCHES, endpoints.RENEW, endpoints.NONCE, endpoints.ENROL, endpoints.CHECKPOINT)
    for path in (*paths, endpoints.POLICY):
        assert re.search(rf"`(GET|POST) {path}`", TEXT)
    assert f"`GET {endpoints.TILES}/…`" in TEXT
    assert endpoints.KNOWN_SIZE in TEXT.lower()
    assert endpoints.KNOWN_POLICY in TEXT.lower()
    constants = [name for name in vars(endpoints) if name.isupper()]
    assert len(constants) == 9


@pytest.mark.parametrize("code", Code)
def test_every_code_has_its_status_and_advice(code: Code) -> None:
    status, when, again = row(10, f"`{code}`")
    assert int(status) == STATUS[code]
    assert when
    assert again.startswith("yes") is (code in RETRY)


def test_a_refusal_has_these_fields() -> None:
    assert [field.name for field in msgspec.structs.fields(refusal.Refusal)] == ["code", "message"]
    assert '`{"code": "…", "message": "…"}`' in TEXT


@pytest.mark.parametrize("line", wire_tables.limit_rows())
def test_every_limit_has_its_value(line: str) -> None:
    assert line in TEXT.splitlines()


@pytest.mark.parametrize("field", msgspec.structs.fields(Statement), ids=lambda field: str(field.name))
def test_every_field_of_a_statement_is_there(field: msgspec.structs.FieldInfo) -> None:
    shape, meaning = row(6, f"`{field.encode_name}`")
    assert ("optional" in shape) is (not field.required)
    assert meaning


@pytest.mark.parametrize("kind", EntryType)
def test_every_entry_type_is_there(kind: EntryType) -> None:
    assert row(9, f"{kind.value} | `{kind.name}`")


POLICIES: list[type[msgspec.Struct]] = [Policy, *Section.__subclasses__()]
RECORDS: tuple[type[msgspec.Struct], ...] = (
    *(statement.Loss, statement.Dropped, statement.Seen, statement.Head),
    *(enrolment.Proof, enrolment.Facts, enrolment.Request, enrolment.Reply, enrolment.RenewalProof),
    *(enrolment.Renewal, enrolment.RenewalReply, enrolment.Record, enrolment.RevocationRecord),
    *(decision.Setting, decision.Retention, Receipt),
    *(host_receipts.Host, host_receipts.Note, host_receipts.Acknowledged),
    *(bundle.Manifest, bundle.Subject, bundle.Item, bundle.Anchor),
    *POLICIES,
)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: str(record.__name__))
def test_every_field_of_a_record_is_named(record: type[msgspec.Struct]) -> None:
    named = set(re.findall(r"[`\"]([a-z0-9_]+)[`\"]", TEXT))
    assert {field.encode_name for field in msgspec.structs.fields(record)} <= named


TYPES = (enrolment.PROOF_TYPE, enrolment.RENEWAL_TYPE, statement.PAYLOAD_TYPE, POLICY_TYPE)


@pytest.mark.parametrize("kind", TYPES)
def test_every_payload_type_is_named(kind: str) -> None:
    assert f"`{kind}`" in TEXT


@pytest.mark.parametrize("section", wire_tables.kinds(), ids=lambda section: section.split("`")[1])
def test_every_kind_has_its_fields(section: str) -> None:
    """If this fails, replace the kind's section in the document by the one shown here."""
    assert section in TEXT


def test_no_kind_is_there_that_the_code_lacks() -> None:
    assert re.findall(r"^#### `(.*)`$", TEXT, re.MULTILINE) == [
        section.split("`")[1] for section in wire_tables.kinds()
    ]


def test_every_part_has_its_table() -> None:
    parts = {part for part in Part.__subclasses__() if not issubclass(part, Body)}
    assert parts == set(wire_tables.PARTS)


def test_sections_that_are_linked_are_there() -> None:
    titles = re.findall(r"^## (.*)$", TEXT, re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}
    assert set(re.findall(r"\]\(#([^)]*)\)", TEXT)) == anchors
