"""What is typed is understood in the forms that people type, and nothing else is."""

from __future__ import annotations

import pytest

from fer_deploy.errors import ConfigError
from fer_deploy.start import answers


@pytest.mark.parametrize(
    ("text", "found"), [("64", (64, 64)), (" 64x48 ", (64, 48)), ("64 X 48", (64, 48)), ("64×48", (64, 48))]
)
def test_sizes(text: str, found: tuple[int, int]) -> None:
    assert answers.size(text) == found


@pytest.mark.parametrize("text", ["", "x", "64x", "-64", "6.4", "64x48x3", "99999"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(ConfigError, match="is not understood; write the pixels of a side"):
        answers.size(text)


def test_colours() -> None:
    assert (answers.channels("grey"), answers.channels(" RGB ")) == (1, 3)
    with pytest.raises(ConfigError, match="color 'green' is not known; write grey or rgb"):
        answers.channels("green")


def test_numbers_of_channels() -> None:
    assert answers.per_channel("128", "mean", 3) == [128.0] * 3
    assert answers.per_channel("1, 2,3.5", "mean", 3) == [1.0, 2.0, 3.5]
    for text, count, said in (
        ("1,2", 3, "one number, or 3"),
        ("1,2,3", 1, "one number$"),
        ("a", 3, "mean 'a'"),
        ("", 1, "one number$"),
    ):
        with pytest.raises(ConfigError, match=said):
            answers.per_channel(text, "mean", count)
