"""Every kind becomes a valid OCSF 1.8.0 object, whatever its fields hold."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evidence import codec, ocsf
from evidence.event import stamp
from evidence.kind import Body, Endpoint
from evidence.kinds import BY_NAME
from evidence.kinds.connection import Close
from tests.evidence.ocsf_schema import violations
from tests.property.bodies import parts

ORIGIN = ocsf.Origin("ab" * 16, 1, "boot-1", "web1", 10**18, "alice", "kernel", "198.51.100.7", "SHA256:x")


@pytest.mark.parametrize("name", BY_NAME)
@given(data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_kind_is_valid(name: str, data: st.DataObject) -> None:
    body: Body = data.draw(parts(BY_NAME[name]))
    said = ocsf.to_ocsf(stamp(body, seq=7, time=10**18, mono=5), ORIGIN)
    assert violations(said) == []
    assert said["unmapped"]["vedette"]["kind"] == name
    assert said["class_uid"] == ocsf.class_of(BY_NAME[name])
    json.dumps(said)


def test_argv_stays_an_array() -> None:
    body = BY_NAME["process.exec"](pid=4, argv=("sh", "-c", "a  b"))  # type: ignore[call-arg]
    said = ocsf.to_ocsf(stamp(body, seq=1, time=1, mono=1), ORIGIN)
    assert json.loads(json.dumps(said))["unmapped"]["vedette"]["body"]["argv"] == ["sh", "-c", "a  b"]
    assert said["process"]["cmd_line"] == "sh -c a  b"


def test_bytes_of_an_inbound_connection_are_counted_from_source_to_destination() -> None:
    line = (
        b'{"seq":1,"time":1,"mono":1,"body":{"kind":"connection.close","flow":1,"protocol":"tcp",'
        b'"direction":"in","local":{"ip":"10.0.0.1","port":22},"remote":{"ip":"10.0.0.2","port":50000},'
        b'"bytes_out":900,"bytes_in":30}}'
    )
    (event,) = codec.decode(line).events
    said = ocsf.to_ocsf(event, ORIGIN)
    assert said["src_endpoint"]["ip"] == "10.0.0.2"
    assert said["traffic"] == {"bytes_in": 900, "bytes_out": 30, "bytes": 930}
    assert said["unmapped"]["vedette"]["body"]["bytes_out"] == 900


def test_flows_that_are_told_together_have_their_count() -> None:
    ping = Close(
        flow=1,
        protocol="icmp",
        direction="out",
        local=Endpoint(ip="2001:db8::1"),
        remote=Endpoint(ip="2001:db8::2"),
        packets_out=3,
        flows=2,
    )
    said = ocsf.to_ocsf(stamp(ping, seq=1, time=1, mono=1), ORIGIN)
    assert violations(said) == []
    assert (said["count"], said["connection_info"]["protocol_num"]) == (2, 58)
    assert said["traffic"] == {"packets_out": 3}


@pytest.mark.parametrize(
    "body", ['{"kind":"future.kind","x":1}', '{"kind":"process.exit","pid":3,"novelty":[1]}']
)
def test_what_is_newer_than_this_version_is_valid_and_complete(body: str) -> None:
    (event,) = codec.decode(f'{{"seq":1,"time":1,"mono":1,"body":{body}}}'.encode()).events
    said = ocsf.to_ocsf(event, ORIGIN)
    assert violations(said) == []
    assert said["unmapped"]["vedette"]["body"] == json.loads(body)


def test_the_validator_finds_faults() -> None:
    good = ocsf.to_ocsf(stamp(BY_NAME["agent.stop"](reason="x"), seq=1, time=1, mono=1), ORIGIN)  # type: ignore[call-arg]
    assert violations(good) == []
    for fault in (
        {"novelty": 1},
        {"severity_id": 77},
        {"time": "now"},
        {"device": {"type_id": 1}},
        {"type_uid": 5},
    ):
        assert violations(good | fault) != [], fault
