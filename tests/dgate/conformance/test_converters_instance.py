"""conquest-converters.md sections 1 and 13: converters.txt of an instance, and the samples with what they say."""

from __future__ import annotations

import re

import pytest

from tests.dgate.conformance.converter_site import REPOSITORY, TEMPLATES, InstanceSite, image, short

CT = [
    'IC0.0 executes: ifequal "CT","MR"',
    "IC0.1 not executed because of previous statement",
    'IC1.0 executes: ifequal "CT","CT"',
    "IC1.1: nop Welcome CT slice for patient 1CT1!",
    "IC2.0: dofile(Global.basedir..'{script}')",
    "Patient: CompressedSamples^CT1 (1CT1)",
]
MR = ['IC0.0 executes: ifequal "MR","MR"', "IC0.1: destroyed received image"]
SAMPLES = 'ifequal "%m","MR"; destroy;\nifequal "%m","CT"; nop Welcome CT slice for patient %i!;\n'


@pytest.mark.parametrize("script", ["../scripts/printPatientInfo.lua", "{folder}/mount/scripts/printPatientInfo.lua"])
def test_the_samples(instance_site: InstanceSite, script: str) -> None:
    script = script.replace("{folder}", str(instance_site.folder))
    instance_site.convert(f"{SAMPLES}{script}\n".encode())
    ct = instance_site.send(image(same=True))
    assert short(ct.log) == [line.replace("{script}", script) for line in CT]
    assert ct.status == 0
    assert re.fullmatch(
        r"(Rewr|Wr)itten file: \./mount/data/1CT1/1\.3\.6[\d.]+_0001_000001_[0-9a-f]+\.dcm", ct.whole[-1]
    )
    mr = instance_site.send(image("MR_small.dcm", same=True))
    assert short(mr.log) == MR
    assert (mr.status, mr.path) == (0, None)


def test_the_delivered_examples_are_these(instance_site: InstanceSite) -> None:
    examples = (TEMPLATES / "config/converters.example.txt").read_bytes()
    lines = [row for row in examples.split(b"\n") if row and not row.startswith(b"#")]
    assert b"\n".join(lines).startswith(f"{SAMPLES}../scripts/printPatientInfo.lua\n".encode())
    instance_site.convert(b"\n".join(lines) + b"\n")
    seen = instance_site.send(image())
    assert short(seen.log)[: len(CT)] == [line.replace("{script}", "../scripts/printPatientInfo.lua") for line in CT]
    assert seen.stored.InstitutionName == "OUR CLINIC"


def test_the_readme_shows_them_with_what_they_say(instance_site: InstanceSite) -> None:
    blocks = (REPOSITORY / "README.md").read_text().split("```\n")
    at = next(number for number, block in enumerate(blocks) if block.startswith("ifequal"))
    instance_site.convert(blocks[at].encode())
    logs = [instance_site.send(image(name)).log for name in ("CT_small.dcm", "MR_small.dcm")]
    assert [*logs[0], *logs[1]] == blocks[at + 2].splitlines()


def test_an_edit_is_taken_up_without_a_restart(instance_site: InstanceSite) -> None:
    instance_site.convert(b"nop before\n")
    (instance_site.folder / "mount/config/converters.txt").write_bytes(b"nop after\n")
    instance_site.wait(lambda: instance_site.send(image()).log == ["Importconverter0.0: nop after"])


def test_an_object_without_name_and_id(instance_site: InstanceSite) -> None:
    instance_site.convert(b"../scripts/printPatientInfo.lua\n")
    assert instance_site.send(image(PatientName=None, PatientID=None)).log[-1] == "Patient: NO NAME (00000000)"


@pytest.mark.parametrize(
    ("content", "log"),
    [
        (b"nop a\n\nnop c\n", ["IC0.0: nop a", "IC2.0: nop c"]),
        (b"  nop a \t\n\tnop b\n", ["IC0.0: nop a", "IC1.0: nop b"]),
        (b"# why\nnop b\n", ["*** IC0.0 error: # why", "IC1.0: nop b"]),
        (b"nop a\r\nnop b\r\n", ["IC0.0: nop a", "IC1.0: nop b"]),
        (b"\xef\xbb\xbfnop a\nnop b\n", ["IC0.0: nop a", "IC1.0: nop b"]),
        (b"nop Gr\xfc\xdfe\n", ["IC0.0: nop Gr\udcfc\udcdfe"]),
        (b"nop Gr\xc3\xbc\xc3\x9fe\n", ["IC0.0: nop Grüße"]),
        (b"nop 50%k%\nnop b", ["IC0.0: nop 50", "IC1.0: nop b"]),
    ],
)
def test_lines(instance_site: InstanceSite, content: bytes, log: list[str]) -> None:
    instance_site.convert(content)
    assert short(instance_site.send(image()).log) == log
