from __future__ import annotations

import locale
from xml.etree import ElementTree

import pytest

from fer_deploy.gate.verdicts import Check, Outcome, Verdict
from fer_deploy.views.ci import render_junit

#: What XML 1.0 cannot hold, a lone surrogate among it, and what it would read as markup.
HOSTILE = 'a\x00b\x08c\x1b[31md\ud800e\ufffef\u2028g <&"]]> h'


def _check() -> Check:
    verdicts = [
        Verdict.model_construct(
            figure=HOSTILE, subject=HOSTILE, device=HOSTILE, outcome=outcome, message=HOSTILE, waived=None
        )
        for outcome in Outcome
    ]
    return Check.model_construct(
        created=HOSTILE, report="r", report_sha256="0", model=HOSTILE, verdicts=tuple(verdicts), changes=()
    )


def test_control_characters_leave_it_xml() -> None:
    (suite,) = ElementTree.fromstring(render_junit(_check()).encode())
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "1")
    said = [case.get("name") or "" for case in suite]
    assert len(said) == 3
    assert all(name.endswith('<&"]]> h') and "\x1b" not in name for name in said)


def test_it_names_the_encoding_that_it_is_written_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locale, "getencoding", lambda: "ISO-8859-1")
    monkeypatch.setattr(locale, "getpreferredencoding", lambda *_: "ISO-8859-1")
    assert render_junit(_check()).startswith("<?xml version='1.0' encoding='utf-8'?>")
