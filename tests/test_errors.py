"""Words taken from other libraries' errors make one line of ours."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fer_deploy.errors import first_line


@given(st.text())
def test_any_message_gives_one_short_line(message: str) -> None:
    line = first_line(ValueError(message))
    assert line
    assert len(line) <= 300
    assert len(line.splitlines()) == 1
    assert line == "ValueError" or line in message


def test_the_cause_is_kept_and_the_rest_is_not() -> None:
    assert first_line(RuntimeError("\n  cannot lower aten.foo\n  at line 3\n")) == "cannot lower aten.foo"
