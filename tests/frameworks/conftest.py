"""The run that every framework must reproduce: a plain loop in a single process."""

import pytest

torch = pytest.importorskip("torch")

from tests.torch.conftest import loader_of, make_curriculum, train  # noqa: E402
from tests.torch.jobs import finished  # noqa: E402


@pytest.fixture(scope="session")
def alone():
    curriculum = make_curriculum()
    return finished(curriculum, train(curriculum, loader_of(curriculum)))


@pytest.fixture
def check_run(alone):
    """True if all processes together consumed the rest, and all know the whole history."""

    def check(results, start=0):
        consumed = sorted(tuple(pair) for result in results for pair in result["consumed"])
        assert consumed == sorted(alone["consumed"][start:])
        assert all(result["history"] == alone["history"] for result in results)

    return check
