from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from fer_deploy.errors import TrainingError
from fer_deploy.train.epochs import load_checkpoint, save_checkpoint

STATE = {"recipe": "{}", "weights": {"a": torch.arange(40.0)}, "epoch": 3, "log": [[1.0, 2.0]]}


class _Bomb:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, (f"open({str(self.trace)!r}, 'w').close()",))


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "checkpoint.pt"
    save_checkpoint(path, STATE)
    loaded = load_checkpoint(path, "{}")
    assert loaded is not None
    assert torch.equal(loaded["weights"]["a"], torch.arange(40.0))
    assert (loaded["epoch"], loaded["log"]) == (3, [[1.0, 2.0]])
    assert [file.name for file in path.parent.iterdir()] == ["checkpoint.pt"]


def test_none_when_there_is_none(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path / "checkpoint.pt", "{}") is None


def _damaged(path: Path, how: str) -> None:
    save_checkpoint(path, STATE)
    whole = path.read_bytes()
    if how == "empty":
        path.write_bytes(b"")
    elif how == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    elif how == "text":
        path.write_text("not a checkpoint, but some text of a fair length\n" * 9)
    elif how == "flipped":
        path.write_bytes(whole[:60] + bytes(byte ^ 255 for byte in whole[60:120]) + whole[120:])
    elif how == "folder":
        path.unlink()
        path.mkdir()
    elif how == "plain pickle":
        path.write_bytes(pickle.dumps({"recipe": "{}"}))
    elif how == "tensor":
        torch.save(torch.zeros(3), path)
    elif how == "code":
        torch.save({"recipe": "{}", "x": _Bomb(path.parent / "executed")}, path)
    elif how == "plain pickle with code":
        path.write_bytes(pickle.dumps(_Bomb(path.parent / "executed")))


@pytest.mark.parametrize(
    "how",
    [
        "empty",
        "truncated",
        "text",
        "flipped",
        "folder",
        "plain pickle",
        "tensor",
        "code",
        "plain pickle with code",
    ],
)
def test_damaged_checkpoint_is_one_sentence_and_executes_nothing(tmp_path: Path, how: str) -> None:
    path = tmp_path / "checkpoint.pt"
    _damaged(path, how)
    with pytest.raises(TrainingError, match="is damaged") as caught:
        load_checkpoint(path, "{}")
    message = str(caught.value)
    assert "delete it to start again" in message
    assert "\n" not in message
    assert "Traceback" not in message
    assert not (tmp_path / "executed").exists()
