from __future__ import annotations

import pytest

from vision.ssd.config import mobilenet_config
from vision.ssd.priors import generate_priors


@pytest.fixture(scope="session")
def many_priors():
    """Return the 3000 priors (P, 4) of the mobilenets at 300 pixels."""
    return generate_priors(mobilenet_config(300).prior_specs, 300)
