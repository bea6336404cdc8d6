"""Threads that leave the cores to others while they have nothing to do."""

from __future__ import annotations

import os

# How long OpenMP's threads look for new work before they sleep, in turns of a loop: some 0.1 ms,
# the time between two layers of a net. Its default takes the cores from the processes that load
# pictures; without any, each layer waits for threads to wake.
SPINS = "30000"


def share_cores() -> None:
    """Set how OpenMP waits, unless the environment says it; only before torch is imported."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
