"""The scripts of section `[lua]` on real associations, and `lua:` through the wire."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.sop_class import CTImageStorage, Verification  # type: ignore[attr-defined]

from dgate.commands.dispatch import ServerCommands
from dgate.encoding.elements import LITTLE
from dgate.lua.host import Host
from dgate.lua.instance import ScriptsOf
from dgate.net.listener import Listener, bind
from dgate.rules.instance import ConvertersOf
from tests.dgate.archive.support import ct1, dataset, kfactor
from tests.dgate.commands.conftest import Site, make_site
from tests.dgate.dataset.objects import read_back
from tests.dgate.net.conftest import wait_for
from tests.dgate.net.raw import RawClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], Site]]:
    """Starts a server with these lines behind its dicom.ini."""
    sites: list[Site] = []

    def begin(more: str) -> Site:
        site = make_site(tmp_path)
        with site.ini.open("a") as file:
            file.write(more)
        site.node.config.reload()
        made = with_scripts(site)
        made.listener.start()
        sites.append(made)
        return made

    yield begin
    for site in sites:
        site.listener.stop()
        site.archive.close()


def with_scripts(site: Site) -> Site:
    """The same site with what the server puts together."""
    context = site.context
    converters = ConvertersOf(site.archive, context.log, lambda: context.config.settings)
    commands = ServerCommands(context)

    def host() -> Host:
        return Host(site.archive, context.config, kfactor(), context.counters, commands, "1.5.0e")

    scripts = ScriptsOf(host, converters.services)
    converters.script_with(scripts)
    commands.script_with(scripts)
    site.archive.convert_with(converters)
    site.archive.follow(lambda: context.config.settings)
    node = replace(site.node, commands=commands, scripts=scripts)
    site.listener._sock.close()
    return replace(site, node=node, listener=Listener(bind("127.0.0.1", 0), node))


def associate(site: Site) -> Any:
    ae = AE(ae_title="SENDER")
    ae.add_requested_context(Verification)
    ae.add_requested_context(CTImageStorage, ExplicitVRLittleEndian)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 20
    return ae.associate("127.0.0.1", site.port, ae_title="ORACLE")


def lines_of(site: Site, wanted: str, count: int = 1) -> list[str]:
    """The log lines that begin so, as soon as there are so many."""
    until = time.monotonic() + 20
    while True:
        found = [line for line in site.log().splitlines() if line.startswith(wanted)]
        if len(found) >= count:
            return found
        assert time.monotonic() < until, site.log()
        time.sleep(0.02)


def image() -> Any:
    found = read_back(dataset(ct1()), LITTLE)
    found.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return found


def test_each_moment_has_its_script(start: Callable[[str], Site]) -> None:
    site = start(
        "[lua]\nassociation = print('>a', Association.Calling, Association.Called, Association.ConnectedIP) n = 1\n"
        "command = print('>c', Command.CommandField, n) n = n + 1\n"
        "endassociation = print('>e', n)\n"
    )
    peer = associate(site)
    assert peer.send_c_echo().Status == 0
    assert peer.send_c_store(image()).Status == 0
    peer.release()
    assert lines_of(site, ">", 4) == [">a\tSENDER\tORACLE\t127.0.0.1", ">c\t48\t1", ">c\t1\t2", ">e\t3"]
    assert lines_of(site, "Server Command")[0] == "Server Command   := 0030"


def test_the_state_is_shared_with_converters(start: Callable[[str], Site]) -> None:
    site = start(
        "ImportConverter0 = lua \"print('>i', mine, Command.AffectedSOPInstanceUID, Command.MessageID)\"\n"
        "[lua]\nassociation = mine = 'set before'\n"
    )
    peer = associate(site)
    found = image()
    assert peer.send_c_store(found).Status == 0
    peer.release()
    assert lines_of(site, ">i") == [f">i\tset before\t{found.SOPInstanceUID}\t1"]


@pytest.mark.parametrize("verdict", ["reject()", "destroy()"])
def test_a_script_drops_a_connection(start: Callable[[str], Site], verdict: str) -> None:
    site = start(f"[lua]\nassociation = {verdict}\n")
    peer = associate(site)
    answer = peer.send_c_store(image()) if peer.is_established else None
    assert not answer
    assert site.files() == []


def test_a_script_drops_a_connection_at_a_command(start: Callable[[str], Site]) -> None:
    site = start("[lua]\ncommand = if Command.CommandField == '1' then reject() end\n")
    peer = associate(site)
    assert peer.send_c_echo().Status == 0
    assert not peer.send_c_store(image())
    assert site.files() == []
    assert associate(site).send_c_echo().Status == 0


def test_a_broken_hook_drops_nothing(start: Callable[[str], Site]) -> None:
    site = start("[lua]\nassociation = x.y = 1\ncommand = x = = 1\n")
    peer = associate(site)
    assert peer.send_c_echo().Status == 0
    peer.release()
    assert lines_of(site, "*** lua run error")
    assert lines_of(site, "*** lua syntax error")


ENDS = "[lua]\nclienterror = print('>x', Association.Calling)\nendassociation = print('>e')\n"


@pytest.mark.parametrize("broken", [b"\x09\0\0\0\0\x02\0\0", b"\x04\0\0\0\0\x06\0\0\0\x02\x07\x03", b""])
def test_an_association_that_an_error_ends(start: Callable[[str], Site], broken: bytes) -> None:
    """A PDU that is none, a command that is none, and a peer that is gone."""
    site = start(ENDS)
    with RawClient(site.port) as client:
        client.associate()
        client.send(broken)
    assert lines_of(site, ">") == [">x\tTESTSCU"]


@pytest.mark.parametrize("end", ["release", "abort"])
def test_an_association_that_its_peer_ends(start: Callable[[str], Site], end: str) -> None:
    site = start(ENDS)
    peer = associate(site)
    assert peer.send_c_echo().Status == 0
    getattr(peer, end)()
    assert lines_of(site, ">") == [">e"]


def test_startup_is_not_seen_and_may_say_no(start: Callable[[str], Site], tmp_path: Path) -> None:
    site = start(f"[lua]\nstartup = print('unseen') local f = io.open('{tmp_path}/started', 'w') f:close()\n")
    scripts = site.node.scripts
    assert isinstance(scripts, ScriptsOf)
    assert scripts.start(site.context.config.settings)
    assert (tmp_path / "started").exists()
    assert "unseen" not in site.log()
    site.ini.write_text(site.ini.read_text().split("[lua]")[0] + "[lua]\nstartup = reject()\n")
    site.node.config.reload()
    assert not scripts.start(site.context.config.settings)


def test_code_comes_through_the_wire_if_the_operator_lets_it(start: Callable[[str], Site]) -> None:
    site = start("")
    assert site.command("lua:print('>seen') return 6 * 7") == "42"
    assert lines_of(site, ">seen") == [">seen"]
    assert site.command("lua:x = =") == ""
    assert lines_of(site, "*** lua syntax error")
    assert site.command("lua:return servercommand('get_param:MyACRNema')") == "ORACLE"


def test_scripts_that_share_a_state_and_scripts_nobody_waits_for(start: Callable[[str], Site], tmp_path: Path) -> None:
    site = start("")
    assert site.command("globallua:count = (count or 0) + 1 return count") == "1"
    assert site.command("globallua:count = (count or 0) + 1 return count") == "2"
    assert site.command("lua:return tostring(count)") == "nil"
    assert site.command(f"luastart:sleep(50) io.open('{tmp_path}/ran', 'w'):close() return 'unheard'") == ""
    wait_for((tmp_path / "ran").exists)


def test_nothing_is_loaded_without_scripts(start: Callable[[str], Site]) -> None:
    site = start("")
    scripts = site.node.scripts
    assert isinstance(scripts, ScriptsOf)
    assert scripts.hooks(site.context.config.settings) is None
    assert associate(site).send_c_echo().Status == 0
    assert scripts._made is None


# -- scripts that talk to nodes: here to the server itself


def test_a_script_talks_to_nodes(start: Callable[[str], Site]) -> None:
    site = start("")
    (site.root / "acrnema.map").write_text(f"ORACLE 127.0.0.1 {site.port} un\nDEAD 127.0.0.1 1 un\n")
    site.node.config.reload()
    site.store()
    run = site.command
    assert run("lua:return dicomecho('ORACLE').Status") == "0"
    assert run("lua:return dicomecho('DEAD') == nil and dicomecho('nosuch') == nil") == "true"
    query = "q = DicomObject:new() q.PatientID = 'PAT*' q.StudyInstanceUID = '' r = dicomquery('ORACLE', 'STUDY', q)"
    assert run(f"lua:{query} return #r .. ' ' .. r[0].PatientID") == "1 PAT 001.A"
    assert run("lua:q = DicomObject:new() q.PatientID = 'no' return #dicomquery('ORACLE', 'PATIENT', q)") == "0"
    read = "q = DicomObject:new() q.PatientID = 'PAT 001.A' r = dicomread(q)"
    assert run(f"lua:{read} return #r .. r[0].PatientName") == "1Doe^John^Q"
    sent = "r[0].SOPInstanceUID = genuid() return dicomstore('ORACLE', r).Status"
    assert run(f"lua:{read} {sent}") == "0"
    assert len(site.files()) == 2
    move = "q = DicomObject:new() q.QueryRetrieveLevel = 'PATIENT' q.PatientID = 'PAT 001.A'"
    assert run(f"lua:{move} return dicommove('ORACLE', 'ORACLE', q) == nil") == "true"
    assert run(f"lua:{move} return dicommove('ORACLE', 'NOSUCH', q)") == "***dicommove: remote DICOM error"
    extra = "e = newdicomobject() e.MessageID = 4711 e['9999,0400'] = 'display_status:'"
    assert (
        run(f"lua:{move} {extra} return tostring((dicommove('ORACLE', 'ORACLE', q, 0, e))) .. e.MessageID") == "nil4711"
    )
    assert "Message ID       := 1267" in lines_of(site, "Message ID")
    assert run("lua:o = newdicomobject() o.MessageID = 1 o.MessageID = nil return tostring(o.MessageID)") == "nil"
    assert run(f"lua:{move} return dicommove('DEAD', 'ORACLE', q)") == "***dicommove: could not connect to AE: DEAD"
    assert run(f"lua:{move} return dicommove('LOST', 'ORACLE', q)") == "***dicommove: AE not found: LOST"
    assert "***dicommove: AE not found: LOST" in lines_of(site, "***dicommove")
    assert run(f"lua:return dicomecho('127.0.0.1:{site.port}').Status .. dicomecho('(local)').Status") == "00"
    assert run("lua:return (get_amap(1))") == "DEAD"
    assert run("lua:return table.concat({get_amap(0)}, ' ')") == f"ORACLE 127.0.0.1 {site.port} un"
    assert run("lua:return get_amap(9) == nil") == "true"


def test_a_script_gets_objects_from_a_node(start: Callable[[str], Site]) -> None:
    site = start("")
    (site.root / "acrnema.map").write_text(f"ORACLE 127.0.0.1 {site.port} un\nDEAD 127.0.0.1 1 un\n")
    site.node.config.reload()
    site.store()
    site.store(t00080018=b"1.2.3.9")
    query = "q = DicomObject:new() q.PatientID = 'PAT 001.A' q.StudyInstanceUID = '' "
    got = "r = dicomget('ORACLE', 'PATIENT', q) "
    assert site.command(f"lua:{query}{got} return #r .. r[0].PatientName .. r[1].Rows") == "2Doe^John^Q4"
    study = "q.StudyInstanceUID = dicomread(q)[0].StudyInstanceUID r = dicomget('ORACLE', 'STUDY', q)"
    assert site.command(f"lua:{query}{study} return #r .. ' ' .. #r[1]:GetVR(0x7fe0, 0x10, true)") == "2 64"
    assert site.command("lua:q = DicomObject:new() q.PatientID = 'no' return #dicomget('ORACLE', 'PATIENT', q)") == "0"
    assert site.command(f"lua:{query} return dicomget('DEAD', 'PATIENT', q) == nil") == "true"
    assert lines_of(site, "***dicomget")


def test_a_missing_package_is_said_at_the_start(start: Callable[[str], Site], monkeypatch: pytest.MonkeyPatch) -> None:
    site = start("ImportConverter0 = scripts/x.lua\n")
    scripts = site.node.scripts
    assert isinstance(scripts, ScriptsOf)
    monkeypatch.setattr("dgate.lua.instance.is_there", lambda: False)
    assert scripts.start(site.context.config.settings)
    assert lines_of(site, "***Lua is not available")


def test_without_the_package_images_are_stored(start: Callable[[str], Site], monkeypatch: pytest.MonkeyPatch) -> None:
    site = start('ImportConverter0 = lua "reject()"; nop next\n')
    monkeypatch.setitem(sys.modules, "lupa.lua51", None)
    peer = associate(site)
    assert [peer.send_c_store(image()).Status for _ in range(2)] == [0, 0]
    peer.release()
    assert len(lines_of(site, "Importconverter0.1: nop next", 2)) == 2
    assert len(lines_of(site, "***Lua is not available")) == 1
