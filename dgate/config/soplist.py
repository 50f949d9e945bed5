"""dgatesop.lst: what an association may propose, and who may ask (conquest-server.md section 4).

Conquest reads the file for each association; `dgate.config.live` does so when it has changed.
"""

from __future__ import annotations

from dgate.record import dataclass

MAX_LINE = 255
MIN_UID_LENGTH = 17
"""Conquest refuses anything shorter than `1.2.840.10008.1.2`."""

_KINDS = {
    b"sop": "abstract",
    b"abstract": "abstract",
    b"transfer": "transfer",
    b"application": "application",
    b"remoteae": "remote_ae",
    b"localae": "local_ae",
}


@dataclass(frozen=True, slots=True)
class SopList:
    """What is accepted. None for a kind that has no line: everything of that kind is."""

    abstract: frozenset[str] | None = None
    transfer: frozenset[str] | None = None
    application: frozenset[str] | None = None
    remote_ae: frozenset[str] | None = None
    local_ae: frozenset[str] | None = None

    @classmethod
    def parse(cls, data: bytes) -> SopList:
        """Read a whole file: `name  UID-or-AE  kind` per line. Never raises; other lines do not count."""
        found: dict[str, set[str]] = {}
        for raw in data.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
            words = raw[:MAX_LINE].split()
            if len(words) >= 3 and not raw.startswith(b"#") and (kind := _KINDS.get(words[2].lower())):
                found.setdefault(kind, set()).add(words[1].decode("latin-1"))
        return cls(**{kind: frozenset(values) for kind, values in found.items()})

    def accepts_abstract_syntax(self, uid: str) -> bool:
        """A SOP class may be negotiated."""
        return len(uid) >= MIN_UID_LENGTH and (self.abstract is None or uid in self.abstract)

    def accepts_transfer_syntax(self, uid: str) -> bool:
        """A transfer syntax may be negotiated, for whatever SOP class."""
        return len(uid) >= MIN_UID_LENGTH and (self.transfer is None or uid in self.transfer)

    def accepts_application_context(self, uid: str) -> bool:
        """An association with this application context may be made."""
        return self.application is None or uid in self.application

    def accepts_calling_ae(self, title: str) -> bool:
        """A remote AE title may call us (exact, case-sensitive; pad blanks do not count)."""
        return self.remote_ae is None or title.strip(" \0") in self.remote_ae

    def accepts_called_ae(self, title: str) -> bool:
        """We may be called by this AE title."""
        return self.local_ae is None or title.strip(" \0") in self.local_ae


EVERYTHING = SopList()
"""What a missing file means."""
