"""The program that `up` is measured against: `python -m benchmarks.fleet.bare FLEET THREADS`.

The same containers, made and started with nothing around the calls: no hash, no plan, no look at what is there, no
echo. What it prints are the seconds that the calls alone took.
"""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import docker

from conquestctl.engine.compose import read_stack
from conquestctl.engine.container_config import ContainerSpec, container_specs
from conquestctl.fleet.scan import Fleet


def main() -> None:
    """Make and start every container of a fleet."""
    client = docker.APIClient(base_url=os.environ.get("DOCKER_HOST"), version="auto", max_pool_size=32)
    instances = Fleet.open(Path(sys.argv[1])).instances()
    specs = [spec for one in instances for spec in container_specs(one, read_stack(one))]

    def start(spec: ContainerSpec) -> None:
        client.start(client.create_container_from_config(spec.config, spec.name)["Id"])  # type: ignore[no-untyped-call]

    began = time.perf_counter()
    with ThreadPoolExecutor(int(sys.argv[2])) as pool:
        list(pool.map(start, specs))
    print(time.perf_counter() - began)


if __name__ == "__main__":
    main()
