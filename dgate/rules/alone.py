"""Lines that run where there is no server: while the index is made anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dgate.lua.instance import ScriptsOf
from dgate.rules.instance import make_rules

if TYPE_CHECKING:
    from dgate.archive.archive import DiskArchive
    from dgate.config.kfactor import KFactor
    from dgate.config.settings import Settings
    from dgate.interfaces import Log
    from dgate.lua.host import Host
    from dgate.rules.interfaces import Services


def services_alone(archive: DiskArchive, settings: Settings, kfactor: KFactor, log: Log) -> Services:
    """What the lines of a dicom.ini need, and the lines of its hooks. Nothing is forwarded."""
    rules = make_rules(archive, log, lambda: settings)
    services = rules.services

    def host() -> Host:
        from dgate.lua.alone import host_alone

        return host_alone(archive, settings, kfactor, log, services)

    services.engine = ScriptsOf(host, lambda: services)
    rules.at(settings)
    return services
