"""How tests are spread over processes."""

import os

import pytest

IS_SPREAD = "PYTEST_XDIST_WORKER" in os.environ


@pytest.mark.ray
@pytest.mark.skipif(not IS_SPREAD, reason="one process runs all tests")
def test_those_that_need_ray_stay_together(request):
    """So that they share one cluster. The name of a test's group ends its id, or the group has been overlooked."""
    assert request.node.nodeid.endswith("@ray")
