"""What is shown where nothing says how, and that the package says how."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fer_deploy import _html, _text
from fer_deploy.showing import Shown, ShownAsHtml, shown_by


class _Plain(ShownAsHtml):
    pass


def test_what_no_view_knows_reads_as_any_object() -> None:
    plain = _Plain()
    assert repr(plain) == str(plain) == object.__repr__(plain)
    assert plain._repr_html_() is None
    assert not hasattr(Shown(), "_repr_html_")


def test_looks_can_be_set(request: pytest.FixtureRequest) -> None:
    request.addfinalizer(lambda: shown_by(_text, _html))
    shown_by(lambda value: type(value).__name__, lambda _: "<b>")
    assert (repr(_Plain()), _Plain()._repr_html_()) == ("_Plain", "<b>")


def test_the_package_sets_them_without_loading_any() -> None:
    code = (
        "import fer_deploy, sys; from fer_deploy.showing import _Looks; assert _Looks.text is fer_deploy._text;"
        "assert not [name for name in sys.modules if name.startswith('fer_deploy.views')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
