"""Instances of `dgate` that differ in one thing, stored into in shuffled rounds: rates as ratios of the first."""

from __future__ import annotations

import os
import random
import statistics
from collections.abc import Sequence

from benchmarks.server import load, retrieve
from benchmarks.server.instance import Server
from benchmarks.server.link import LoadError
from benchmarks.server.objects import Identity, Kind

Rates = dict[str, list[float]]


def rates(instances: Sequence[Server], kind: Kind, *, rounds: int, count: int, associations: int) -> Rates:
    """Objects per second of each round; the first one warms up and is left out. Raises `LoadError` for lost ones."""
    found: Rates = {instance.name: [] for instance in instances}
    chance = random.Random(1)  # noqa: S311 - a reproducible order
    for number in range(rounds + 1):
        images = load.spread(kind, number, count, associations)
        for instance in chance.sample(instances, len(instances)):
            rate = load.store(instance.target, kind, images).per_second
            if number:
                found[instance.name].append(rate)
            print(f"round {number} {instance.name}: {rate:.0f} objects/s, load {os.getloadavg()[0]:.1f}")
            _must_hold(instance, [image for part in images for image in part])
    return found


def _must_hold(instance: Server, images: Sequence[Identity]) -> None:
    there = retrieve.count_images(instance.target, images)
    if there != len(images):
        raise LoadError(f"{instance.name} has {there} of {len(images)} acknowledged objects")


def ratios(found: Rates) -> dict[str, float]:
    """The median over the rounds of each one's rate against the first's in the same round."""
    base = next(iter(found.values()))
    return {
        name: statistics.median(rate / of for rate, of in zip(each, base, strict=True)) for name, each in found.items()
    }


def tell(found: Rates) -> None:
    """A line for each."""
    first = next(iter(found))
    for name, ratio in ratios(found).items():
        print(f"{name:12} median {statistics.median(found[name]):6.0f} objects/s, {ratio:.2f} of {first}")
