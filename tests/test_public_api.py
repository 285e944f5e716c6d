"""The names that ``fer_deploy`` offers are there, and are the ones of their modules."""

from __future__ import annotations

import importlib
import importlib.metadata

import pytest

import fer_deploy


def test_every_public_name_is_its_modules_own() -> None:
    assert sorted(fer_deploy.__all__) == sorted(fer_deploy._HOMES)
    for name, home in fer_deploy._HOMES.items():
        assert getattr(fer_deploy, name) is getattr(importlib.import_module(home), name)
        assert name in dir(fer_deploy)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'quantise'"):
        _ = fer_deploy.quantise


def test_the_version_is_the_package_s() -> None:
    assert fer_deploy.__version__ == importlib.metadata.version("fer-deploy")
