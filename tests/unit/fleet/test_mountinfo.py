from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conquestctl.fleet.mountinfo import Mount, mount_of, parse_mountinfo, read_mounts

TABLE = r"""22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
36 27 0:33 / /srv/my\040images rw,nosuid shared:2 master:1 - nfs4 nas:/export/my\040images rw,vers=4.2
37 27 0:34 / /home/me/remote rw - fuse.sshfs me@far:/ rw,user_id=1000
38 27 0:35 / /data rw - ext4 /dev/sdb1 rw
39 27 0:36 / /data rw - cifs //nas/data rw
"""

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0\x85\u2028\u2029"), min_size=1, max_size=8)
POINTS = st.lists(NAMES.filter(lambda name: name not in {".", ".."}), max_size=4).map(
    lambda parts: "/" + "/".join(parts)
)
WORDS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="\\"), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/srv/my images", "nfs4"),
        ("/srv/my images/ct1/mount/data", "nfs4"),
        ("/srv/my images2", "ext4"),
        ("/home/me/remote/x", "fuse.sshfs"),
        ("/data/x", "cifs"),
        ("/proc/1", "proc"),
    ],
)
def test_the_deepest_and_latest_mount_counts(path: str, kind: str) -> None:
    found = mount_of(PurePosixPath(path), parse_mountinfo(TABLE))
    assert found is not None
    assert found.kind == kind


def test_sources_are_read_too() -> None:
    assert parse_mountinfo(TABLE)[2] == Mount("/srv/my images", "nfs4", "nas:/export/my images")


def test_nothing_is_known_of_nothing() -> None:
    assert mount_of(PurePosixPath("/x"), []) is None


def escaped(text: str) -> str:
    """As the kernel writes it."""
    return "".join(f"\\{ord(c):03o}" if c in " \t\n\\" else c for c in text)


@settings(max_examples=300)
@given(
    st.lists(
        st.tuples(
            POINTS, WORDS, WORDS.filter(lambda w: w != "-"), st.lists(WORDS.filter(lambda w: w != "-"), max_size=3)
        )
    )
)
def test_every_table_of_the_kernel_is_read_back(mounts: list[tuple[str, str, str, list[str]]]) -> None:
    text = "".join(
        " ".join(["1", "2", "0:3", "/", escaped(point), "rw", *options, "-", kind, source, "rw"]) + "\n"
        for point, kind, source, options in mounts
    )
    assert parse_mountinfo(text) == [Mount(point, kind, source) for point, kind, source, _ in mounts]


@settings(max_examples=300)
@given(st.text())
def test_any_text_is_read(text: str) -> None:
    assert len(parse_mountinfo(text)) <= text.count("\n") + 1


@given(st.lists(st.builds(Mount, POINTS, WORDS, WORDS)), POINTS)
def test_the_mount_of_a_path_is_above_it_and_none_is_deeper(mounts: list[Mount], text: str) -> None:
    path = PurePosixPath(text)
    found = mount_of(path, mounts)
    above = [mount for mount in mounts if path.is_relative_to(mount.point)]
    assert (found is None) == (not above)
    if found is not None:
        depth = max(len(PurePosixPath(mount.point).parts) for mount in above)
        assert found == [mount for mount in above if len(PurePosixPath(mount.point).parts) == depth][-1]


def test_this_machine(tmp_path: Path) -> None:
    assert read_mounts(tmp_path / "none") == []
    (tmp_path / "mountinfo").write_text(TABLE, encoding="ascii")
    assert read_mounts(tmp_path / "mountinfo") == parse_mountinfo(TABLE)
