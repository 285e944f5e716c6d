from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fer_deploy.safe_load import load_dict

_PICKLE_LIKE = st.lists(
    st.one_of(st.sampled_from(b"\x80\x02(].}qKX\x85bR"), st.integers(0, 255)), max_size=60
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=_PICKLE_LIKE)
def test_any_bytes_are_a_dict_or_one_clause(tmp_path: Path, content: list[int]) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(bytes(content))
    message = ""
    try:
        assert isinstance(load_dict(path), dict)
    except ValueError as error:
        message = str(error) or "(empty)"
    assert message != "(empty)"
    assert "\n" not in message
    assert "weights_only" not in message, "torch's advice to run the code must not be passed on"


def test_keeps_tensors_and_plain_values(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(2), "b": [1, "x"]}, tmp_path / "weights.pt")
    loaded = load_dict(tmp_path / "weights.pt")
    assert torch.equal(loaded["a"], torch.ones(2))
    assert loaded["b"] == [1, "x"]


def test_no_dict(tmp_path: Path) -> None:
    torch.save(torch.ones(2), tmp_path / "weights.pt")
    with pytest.raises(ValueError, match="it holds a Tensor, not a dict"):
        load_dict(tmp_path / "weights.pt")
