"""A module comes without the package that it lies in, and the package comes whole when it is wanted."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fer_deploy.partial_import import left_out, without_package


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    name = "slow_package"
    (tmp_path / name / "inner").mkdir(parents=True)
    (tmp_path / name / "__init__.py").write_text("from slow_package import leaf\nWHOLE = True\n")
    (tmp_path / name / "leaf.py").write_text("class Leaf:\n    pass\n")
    (tmp_path / name / "inner" / "__init__.py").write_text("from slow_package.leaf import Leaf\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield name
    for loaded in [other for other in sys.modules if other.split(".")[0] == name]:
        del sys.modules[loaded]


def test_a_module_without_its_package(package: str) -> None:
    with without_package(package):
        from slow_package.inner import Leaf  # type: ignore[import-not-found]

        assert not hasattr(sys.modules[package], "WHOLE")
    assert not [name for name in sys.modules if name.split(".")[0] == package], "it is forgotten"
    assert Leaf.__name__ == "Leaf", "and goes on for who holds it"
    import slow_package  # type: ignore[import-not-found]

    assert slow_package.WHOLE
    assert slow_package.leaf.Leaf is not Leaf


def test_a_package_that_is_there_stays(package: str) -> None:
    import slow_package as before

    with without_package(package):
        import slow_package as meanwhile

        assert meanwhile is before
    assert sys.modules[package] is before


def test_what_does_not_exist_is_not_there_inside_either() -> None:
    with without_package("no_such_package"), pytest.raises(ImportError):
        import no_such_package.leaf  # type: ignore[import-not-found]  # noqa: F401


def test_a_failure_inside_leaves_nothing(package: str) -> None:
    with pytest.raises(ImportError), without_package(package):
        import slow_package.nothing  # type: ignore[import-not-found]  # noqa: F401
    assert package not in sys.modules


def test_left_out(package: str) -> None:
    with left_out(package), pytest.raises(ImportError):
        import slow_package as nothing  # noqa: F401
    import slow_package

    with left_out(package):
        import slow_package as again

        assert again is slow_package
