from __future__ import annotations

import subprocess
import sys

from fer_deploy.experiments.search_worker import is_gone, this_worker


def test_this_process_is_there() -> None:
    assert not is_gone(this_worker())


def test_a_process_that_ended_is_gone_and_so_is_one_whose_number_was_given_again() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert is_gone(this_worker() | {"process": ended.pid})
    assert is_gone(this_worker() | {"began": this_worker()["began"] - 3600})


def test_of_other_machines_nothing_is_known() -> None:
    assert not is_gone({"machine": "another", "process": 2**22 + 1, "began": 0.0})
