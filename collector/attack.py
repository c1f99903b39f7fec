"""ATT&CK as our rules use it: ids that were renumbered, and the tactic of each technique. Pure.

ATT&CK 19 split "defense evasion" into stealth and defense impairment and renumbered what it moved; rules,
Sigma and other tools use old and new ids side by side. Names and ids are those of attack.mitre.org.
"""

from __future__ import annotations

from collections.abc import Iterable

RENUMBERED = {
    "T1070.001": "T1685.005",
    "T1070.002": "T1685.006",
    "T1562": "T1685",
    "T1562.001": "T1685",
    "T1562.002": "T1685.001",
    "T1562.003": "T1690",
    "T1562.004": "T1686",
    "T1562.006": "T1685",
    "T1562.007": "T1686.001",
    "T1562.008": "T1685.002",
    "T1562.009": "T1688",
    "T1562.010": "T1689",
    "T1562.011": "T1685.003",
    "T1562.012": "T1685.004",
    "T1562.013": "T1686.002",
}
"""Former id to the present one."""

_TECHNIQUES = {
    "reconnaissance": "T1595 T1592",
    "initial-access": "T1078 T1133 T1190 T1195 T1199",
    "execution": "T1053 T1059 T1072 T1106 T1129 T1203 T1204 T1569 T1609 T1610 T1648 T1651",
    "persistence": "T1037 T1098 T1136 T1137 T1176 T1505 T1525 T1542 T1543 T1546 T1547 T1554 T1556 T1574",
    "privilege-escalation": "T1055 T1068 T1134 T1484 T1548 T1611",
    "stealth": "T1014 T1027 T1036 T1070 T1140 T1202 T1205 T1207 T1211 T1218 T1220 T1222 T1480 T1497 "
    "T1553 T1564 T1600 T1601 T1612 T1620 T1622",
    "defense-impairment": "T1685 T1686 T1687 T1688 T1689 T1690",
    "credential-access": "T1003 T1040 T1056 T1110 T1111 T1187 T1212 T1528 T1539 T1552 T1555 T1557 T1558 "
    "T1606 T1621 T1649",
    "discovery": "T1007 T1016 T1018 T1033 T1046 T1049 T1057 T1069 T1082 T1083 T1087 T1135 T1201 T1518 T1580 "
    "T1613 T1614 T1619",
    "lateral-movement": "T1021 T1080 T1210 T1534 T1550 T1563 T1570",
    "collection": "T1005 T1025 T1039 T1074 T1113 T1114 T1115 T1119 T1213 T1530 T1560 T1602",
    "command-and-control": "T1001 T1008 T1071 T1090 T1092 T1095 T1102 T1104 T1105 T1132 T1219 T1568 T1571 "
    "T1572 T1573",
    "exfiltration": "T1011 T1020 T1029 T1030 T1041 T1048 T1052 T1537 T1567",
    "impact": "T1485 T1486 T1489 T1490 T1491 T1495 T1496 T1498 T1499 T1529 T1531 T1561 T1565 T1657",
}
"""By tactic its techniques; one that ATT&CK lists under several stands where a person's session does it."""
TACTICS = tuple(_TECHNIQUES)
"""All tactics in the order of an attack."""
_TACTIC = {technique: tactic for tactic, ids in _TECHNIQUES.items() for technique in ids.split()}


def present(technique: str) -> str:
    """Return a technique's present id."""
    return RENUMBERED.get(technique, technique)


def tactic(technique: str) -> str | None:
    """Return the tactic of a technique or sub-technique; None where it is not in the table."""
    now = present(technique)
    return _TACTIC.get(now) or _TACTIC.get(now.partition(".")[0])


def tactics(techniques: Iterable[str]) -> tuple[str, ...]:
    """Return the distinct tactics of techniques, in the order of an attack."""
    found = {tactic(one) for one in techniques}
    return tuple(one for one in TACTICS if one in found)
