"""Random programs: what is compiled agrees with the eager engine, in values, gradients and means."""

import pytest

pytest.importorskip("llvmlite")
pytest.importorskip("numpy")
from programs import disagreement, program

CHUNK, QUICK, ALL = 10, 300, 3000


def check(numbers):
    for number in numbers:
        found = disagreement(program(number))
        assert found is None, found


@pytest.mark.parametrize("first", range(0, QUICK, CHUNK))
def test_random_programs(first):
    check(range(first, first + CHUNK))


@pytest.mark.slow
def test_many_random_programs():
    check(range(QUICK, QUICK + ALL))
