"""Virtual servers: queries and retrievals that are passed on to other nodes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pynetdicom import AE, evt

from tests.dgate.archive.support import CT1
from tests.dgate.hostile.conftest import assert_no_fault_of_ours
from tests.dgate.hostile.site import Site
from tests.dgate.net.conftest import wait_for
from tests.ports import free_port

from .support import an_object, make_site, receiving, store, uid

STUDY_FIND, STUDY_MOVE = "1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.5.1.4.1.2.2.2"
STUDY = CT1[0x0020000D][1].decode().strip("\0")


class Mesh:
    """Servers that know each other, by their AE titles."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.sites: dict[str, Site] = {}

    def start(self, *more: str, **settings: str) -> list[Site]:
        """One server for each title, with these settings; `more` are lines of all maps."""
        for title, ini in settings.items():
            site = self.sites[title] = make_site(self._folder / title, ini)
            file = site.folder / "dicom.ini"
            file.write_text(file.read_text().replace("MyACRNema = ORACLE", f"MyACRNema = {title}"))
        lines = [f"{title} 127.0.0.1 {site.port} un" for title, site in self.sites.items()]
        for site in self.sites.values():
            (site.folder / "acrnema.map").write_text("\n".join([*lines, *more]) + "\n")
            site.start()
        return list(self.sites.values())


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[Mesh]:
    made = Mesh(tmp_path)
    yield made
    for site in made.sites.values():
        site.kill()
    for site in made.sites.values():
        assert_no_fault_of_ours(site)


def find(site: Site, level: str = "IMAGE", calling: str = "ASKER", **keys: str) -> list[pydicom.Dataset]:
    asked = pydicom.Dataset()
    asked.QueryRetrieveLevel = level
    for name, value in {"PatientID": "", "SOPInstanceUID": "", "InstanceNumber": "", **keys}.items():
        setattr(asked, name, value)
    ae = AE(calling)
    ae.add_requested_context(STUDY_FIND)
    association = ae.associate("127.0.0.1", site.port, ae_title="ORACLE")
    answers = list(association.send_c_find(asked, STUDY_FIND))
    association.release()
    assert answers[-1][0].Status == 0
    return [answer for _, answer in answers[:-1] if answer is not None]


def numbers(answers: list[pydicom.Dataset]) -> list[int]:
    return [int(str(answer.SOPInstanceUID).rpartition(".")[2]) for answer in answers]


def move(site: Site, destination: str, **keys: str) -> int:
    asked = pydicom.Dataset()
    asked.QueryRetrieveLevel = "STUDY"
    for name, value in keys.items():
        setattr(asked, name, value)
    ae = AE("ASKER")
    ae.add_requested_context(STUDY_MOVE)
    association = ae.associate("127.0.0.1", site.port, ae_title="ORACLE")
    answers = list(association.send_c_move(asked, destination, STUDY_MOVE))
    association.release()
    return int(answers[-1][0].Status)


def test_answers_follow_ours_without_those_that_we_have(mesh: Mesh) -> None:
    front, back = mesh.start(FRONT="VirtualServerFor3 = BACK\n", BACK="")
    store(front, an_object(1), an_object(2))
    store(back, an_object(2), an_object(3), an_object(4, t00100020=b"OTHER", t0020000d=b"1.9", t0020000e=b"1.9.1"))
    assert numbers(find(front)) == [1, 2, 3, 4]
    assert numbers(find(front, PatientID="OTHER")) == [4]
    assert [str(each.StudyInstanceUID) for each in find(front, "STUDY", StudyInstanceUID="")] == [STUDY, "1.9"]
    assert numbers(find(back)) == [2, 3, 4]
    (answer,) = find(front, PatientID="OTHER", RetrieveAETitle="")
    assert answer.RetrieveAETitle.strip() == "FRONT"


def test_a_retrieval_fetches_what_is_missing(mesh: Mesh) -> None:
    with receiving() as recv:
        line = "VirtualServerFor0 = BACK\nImportConverter0 = nop seen\n"
        front, back = mesh.start(f"RECV 127.0.0.1 {recv.port} un", FRONT=line, BACK="")
        store(front, an_object(1))
        store(back, an_object(1), an_object(2), an_object(3))
        assert move(front, "RECV", StudyInstanceUID=STUDY) == 0
        assert sorted(recv.numbers) == [1, 2, 3]
        assert front.images() == 3
        assert front.log().count("Importconverter0.0: nop seen") == 1  # what was fetched is seen by no converter
        moves = back.log().count("Server Command   := 0021")
        assert move(front, "RECV", StudyInstanceUID=STUDY) == 0
        assert len(recv.numbers) == 6
        assert back.log().count("Server Command   := 0021") == moves  # there was nothing to fetch any more


def test_lines_for_what_is_passed_on_and_comes_back(mesh: Mesh) -> None:
    front, back = mesh.start(
        FRONT="VirtualServerFor0 = BACK\n"
        'VirtualServerQueryConverter0 = nop asked by %u; set 0020,0013 to "3"\n'
        'VirtualServerQueryResultConverter0 = set 0010,0020 to "FROM BACK"\n'
        'QueryResultConverter0 = ifequal "%i","FROM BACK"; nop last\n',
        BACK="",
    )
    store(back, *(an_object(number, t00200013=b"%d " % number) for number in (2, 3)))
    (answer,) = find(front)
    assert (answer.PatientID, answer.InstanceNumber) == ("FROM BACK", 3)
    lines = front.log().splitlines()
    assert "VirtualServerQueryconverter0.0: nop asked by ASKER" in lines
    assert 'VirtualServerQueryResultconverter0.0 executes: set 0010,0020 to "FROM BACK"' in lines
    assert "QueryResultconverter0.1: nop last" in lines
    assert numbers(find(back)) == [2, 3]


def test_lines_choose_whom_to_ask(mesh: Mesh) -> None:
    front, one, two = mesh.start(
        FRONT="VirtualServerFor0 = ONE\nVirtualServerFor1 = TWO\n"
        'QueryConverter0 = ifequal "%i","1"; virtualserver 1; ifequal "%i","2"; virtualservermask 0\n',
        ONE="", TWO="",
    )  # fmt: skip
    for number, site in enumerate((front, one, two)):
        store(site, *(an_object(10 * number + patient, t00100020=b"%d" % patient, t0020000d=b"1.%d" % patient,
                                t0020000e=b"1.%d.1" % patient) for patient in (1, 2, 3)))  # fmt: skip
    assert numbers(find(front, PatientID="1")) == [1, 21]
    assert numbers(find(front, PatientID="2")) == [2]
    assert numbers(find(front, PatientID="3")) == [3, 13, 23]
    assert "Queryconverter0.1: enables virtual server 1" in front.log().splitlines()
    assert "Queryconverter0.3: sets virtual server mask to 0" in front.log().splitlines()


def test_kodak_numbers(mesh: Mesh) -> None:
    front, back = mesh.start(FRONT="VirtualServerFor0 = BACK,FIXKODAK\n", BACK="")
    store(back, an_object(1, t00100020=b"01234567"))
    (answer,) = find(front, PatientID="1234567")
    assert answer.PatientID == "1234567"


def test_servers_of_one_another_do_not_ask_in_a_circle(mesh: Mesh) -> None:
    first, second, third = mesh.start(
        FIRST="VirtualServerFor0 = SECOND\n", SECOND="VirtualServerFor0 = THIRD\n", THIRD="VirtualServerFor0 = FIRST\n"
    )
    for number, site in enumerate((first, second, third)):
        store(site, an_object(number))
    assert numbers(find(first)) == [0, 1, 2]
    assert numbers(find(second)) == [1, 2, 0]
    with_commands = [site.log().count("Server Command   := 0020") for site in (first, second, third)]
    assert with_commands == [2, 2, 2]


def test_nonvirtual_ends_at_the_next(mesh: Mesh) -> None:
    first, second, third = mesh.start(
        FIRST="VirtualServerFor0 = SECOND,NONVIRTUAL\n", SECOND="VirtualServerFor0 = THIRD\n", THIRD=""
    )
    for number, site in enumerate((first, second, third)):
        store(site, an_object(number))
    assert numbers(find(first)) == [0, 1]


def test_one_that_is_away_or_fails_costs_its_own_answers_alone(mesh: Mesh) -> None:
    def failing(_event: evt.Event) -> Iterator[tuple[int, None]]:
        yield 0xC001, None

    ae: Any = AE("BAD")
    ae.add_supported_context(STUDY_FIND)
    port = free_port()
    bad = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_FIND, failing)])
    try:
        (front,) = mesh.start(
            f"DEAD 127.0.0.1 {free_port()} un", f"BAD 127.0.0.1 {port} un",
            FRONT="VirtualServerFor0 = DEAD\nVirtualServerFor1 = NOBODY\nVirtualServerFor2 = BAD\n",
        )  # fmt: skip
        store(front, an_object(1))
        assert numbers(find(front)) == [1]
        said = [line for line in front.log().splitlines() if line.startswith("***VirtualServerFor")]
        whom = [line.removeprefix("***VirtualServerFor").split(": ")[:2] for line in said]
        assert whom == [["0", "DEAD"], ["1", "NOBODY"], ["2", "BAD"]]
        assert said[2].endswith("the C-FIND was answered with status C001")
        with receiving() as recv:
            front.know(f"RECV 127.0.0.1 {recv.port} un", f"DEAD 127.0.0.1 {free_port()} un")
            wait_for(lambda: move(front, "RECV", SOPInstanceUID=uid(1).decode()) == 0, context=front.log)
    finally:
        bad.shutdown()


def test_an_edit_works_without_a_restart(mesh: Mesh) -> None:
    front, back = mesh.start(FRONT="", BACK="")
    store(back, an_object(1))
    assert find(front) == []
    ini = front.folder / "dicom.ini"
    ini.write_text(ini.read_text() + "VirtualServerFor9 = BACK\n")
    wait_for(lambda: numbers(find(front)) == [1], context=front.log)
