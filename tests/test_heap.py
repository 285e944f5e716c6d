"""What is set aside is not walked over, comes back, and does not hide the garbage that is made meanwhile."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from collections.abc import Iterator

import pytest

from fer_deploy.heap import set_aside


class _Knot:
    """Refers to itself: only the collector can free it."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    gc.unfreeze()
    yield
    gc.unfreeze()


def test_what_is_alive_is_out_of_sight_and_comes_back() -> None:
    before = _Knot()
    with set_aside():
        assert gc.get_freeze_count() > 1000
        assert not any(one is before for one in gc.get_objects())
    assert gc.get_freeze_count() == 0
    assert any(one is before for one in gc.get_objects())


def test_garbage_of_the_block_is_collected_and_that_from_before_is_afterwards() -> None:
    earlier = _Knot()
    gone_earlier = weakref.ref(earlier)
    with set_aside():
        made = _Knot()
        gone = weakref.ref(made)
        del made, earlier
        gc.collect()
        assert gone() is None
        assert gone_earlier() is not None
    gc.collect()
    assert gone_earlier() is None


def test_it_comes_back_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), set_aside():
        _ = 1 / 0
    assert gc.get_freeze_count() == 0


def test_the_outermost_block_alone_freezes() -> None:
    with set_aside():
        with set_aside():
            pass
        assert gc.get_freeze_count() > 0


def test_a_heap_that_the_program_has_frozen_stays_so() -> None:
    gc.freeze()
    later = _Knot()
    with set_aside():
        # not the count of what is frozen: another thread may free some of it meanwhile
        assert any(one is later for one in gc.get_objects()), "the block froze nothing"
    assert gc.get_freeze_count() > 1000, "and released nothing"


_ENDS = """
import gc, sys
from fer_deploy.heap import end_without_collecting
end_without_collecting()
end_without_collecting()
class Knot:
    def __init__(self):
        self.itself = self
    def __del__(self):
        print("freed")
knot = Knot()
gc.collect()
del knot
print("ends")
"""


def test_a_program_that_ends_frees_nothing_that_the_system_takes_back() -> None:
    said = subprocess.run(
        [sys.executable, "-c", _ENDS], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert said.split() == ["ends"]
    collected = _ENDS.replace("end_without_collecting()", "")
    said = subprocess.run(
        [sys.executable, "-c", collected], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert said.split() == ["ends", "freed"]
