"""How the threads of torch wait, so that idle ones leave the cores to other processes."""

from __future__ import annotations

import os

# An OpenMP thread without work looks for more in a loop before it sleeps. This many turns take
# about 0.1 ms, the time between two layers of a net. With OpenMP's default the loops take the cores
# from the processes that load pictures; with 0, each layer waits until the threads have woken up.
SPINS = "30000"


def share_cores() -> None:
    """Set how OpenMP waits, unless the environment sets it; call this before torch is imported."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
