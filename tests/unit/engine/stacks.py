"""An instance and a compose file like those that `create` writes, for the tests of this folder."""

from __future__ import annotations

from pathlib import Path

from conquestctl.fleet.instance import Instance

COMPOSE = """\
# made by conquestctl
services:
  ct1:
    image: ${IMAGE}
    container_name: ${COMPOSE_PROJECT_NAME}
    init: true
    user: ${RUN_AS}
    read_only: true
    tmpfs:
      - /tmp:size=64m,mode=1777
    cap_drop:
      - ALL
    security_opt:
      - no-new-privileges:true
    pids_limit: 512
    restart: unless-stopped
    stop_grace_period: 1m30s
    logging:
      driver: json-file
      options:
        max-size: "10m"
        max-file: "3"
    extra_hosts:
      - host.docker.internal:host-gateway
    environment:
      AETITLE: ${AETITLE}
      PORT: ${PORT}
    ports:
      - "${BIND}:${PORT}:${PORT}"
    volumes:
      - ./mount:/conquest/mount
    networks:
      - fleet
networks:
  fleet:
    external: true
    name: ${FLEET_NETWORK}
"""

SETTINGS = {
    "AETITLE": "CT1",
    "PORT": "5678",
    "BIND": "127.0.0.1",
    "IMAGE": "conquestctl/dgate:1",
    "RUN_AS": "1000:1000",
    "COMPOSE_PROJECT_NAME": "conquest-abc123-ct1",
    "FLEET_NETWORK": "conquest-abc123",
    "FLEET_SUBNET": "10.213.0.0/22",
}


def instance(folder: Path, **changes: str) -> Instance:
    """`ct1` in `folder`, with some settings changed."""
    settings = SETTINGS | changes
    return Instance(
        name="ct1",
        folder=folder,
        ae_title=settings["AETITLE"],
        port=int(settings["PORT"]),
        bind=settings["BIND"],
        image=settings["IMAGE"],
        project=settings["COMPOSE_PROJECT_NAME"],
        network=settings["FLEET_NETWORK"],
        settings=settings,
    )
