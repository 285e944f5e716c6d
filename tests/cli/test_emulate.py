"""``emulate`` where nothing can be emulated; with emulators it is tried in tests/integration/test_emulated.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from apps.make_artifact import COMMITTED
from fer_deploy.cli import main
from fer_deploy.contract import InputSpec
from fer_deploy.measure.processor_parity import synthetic_pictures
from fer_deploy.targets.golden import golden_inputs
from fixtures.synthetic import input_spec


def _run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["emulate", *map(str, arguments)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give --device or --cpu"),
        (("--device", "pixel-8", "--cpu", "cortex-a53"), "give --device or --cpu"),
        (("--device", "iphone-15"), "names no qemu_cpu"),
        (("--device", "nokia"), "unknown device"),
        (("--cpu", "max"), "no processor model"),
        (("--cpu", "$(touch trap)"), "no processor model"),
        (("--cpu", "cortex-a76", "--images", "0"), "0 is not in the range"),
    ],
)
def test_bad_questions(arguments: tuple[str, ...], message: str) -> None:
    result = _run(COMMITTED, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_without_an_emulator_the_command_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("FER_DEPLOY_CACHE", str(tmp_path))
    monkeypatch.delenv("FER_DEPLOY_QEMU", raising=False)
    result = _run(COMMITTED, "--cpu", "cortex-a53")
    assert result.exit_code == 2
    assert "no qemu-aarch64 10.0 or later was found; install qemu-user" in result.stderr


def test_pictures_are_the_golden_ones_first_and_always_the_same() -> None:
    spec: InputSpec = input_spec()
    pictures = synthetic_pictures(spec, 20)
    assert pictures.shape == (20, *spec.shape[1:])
    assert pictures.dtype == np.uint8
    golden = np.stack(list(golden_inputs(spec).values()))
    np.testing.assert_array_equal(pictures[: len(golden)], golden)
    np.testing.assert_array_equal(pictures[:3], synthetic_pictures(spec, 3))
    assert len(np.unique(pictures.reshape(20, -1), axis=0)) == 20
