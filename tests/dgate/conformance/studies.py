"""What the queries of section 9 are asked of: four studies of three patients."""

from __future__ import annotations

from collections.abc import Mapping

from .node import Node
from .objects import UID, ct1
from .scu import find, store

A, B, C, D = (f"{UID}.{letter}" for letter in "1234")
"""Studies: two of PAT 001.A (a third modality in the first), one of another patient, one of a third."""

OBJECTS = (
    ct1(t0020000D=A, t0020000E=A + ".1", t00080018=A + ".1.1", t00200013="1", t00080050="ACC1"),
    ct1(t0020000D=A, t0020000E=A + ".1", t00080018=A + ".1.2", t00200013="2", t00080050="ACC1"),
    ct1(t0020000D=A, t0020000E=A + ".1", t00080018=A + ".1.3", t00200013="10", t00080050="ACC1"),
    ct1(t0020000D=A, t0020000E=A + ".2", t00080018=A + ".2.1", t00080060="RTSTRUCT", t00200011="8", t00080050="ACC1"),
    ct1(t0020000D=A, t0020000E=A + ".3", t00080018=A + ".3.1", t00080060="SR", t00200011="9", t00080050="ACC1"),
    ct1(t0020000D=B, t0020000E=B + ".1", t00080018=B + ".1.1", t00080020="20210101", t00080030="235959", t00081030=""),
    ct1(
        t0020000D=C,
        t0020000E=C + ".1",
        t00080018=C + ".1.1",
        t00100020="100%_[x",
        t00100010="doe^jane",
        t00080020="20200301",
        t00080060="MR",
        t00100040="F",
    ),
    ct1(
        t0020000D=D,
        t0020000E=D + ".1",
        t00080018=D + ".1.1",
        t00100020="O'Hara",
        t00100010="Aaron^Al",
        t00080020="20191231",
        t00080030="08",
        t00080060="US",
    ),
)


def fill(node: Node) -> Node:
    assert store(node.port, *OBJECTS) == [0] * len(OBJECTS)
    return node


def ordered(node: Node, keys: Mapping[str, object], of: str, model: str = "study") -> list[str]:
    status, answers = find(node.port, model, keys)
    assert status == 0
    return [str(answer.get(of)) for answer in answers]
