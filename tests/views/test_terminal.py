import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from fer_deploy.report.schema import Report
from fer_deploy.report.wording import amount
from fer_deploy.views.terminal import print_device
from fixtures.reading import squeezed, terminal
from fixtures.sample_report import HOSTILE_LABELS, NEEDS_MACOS, NO_PHONE, PLAIN_LABELS, sample_report


@pytest.mark.parametrize("width", [100, 80, 40, 200])
def test_no_line_is_wider_than_the_terminal_or_a_hundred_columns(report: Report, width: int) -> None:
    widest = max(cell_len(line) for line in terminal(report, width).splitlines())
    assert widest <= min(width, 100)


def test_long_labels_fold_instead_of_vanishing() -> None:
    labels = ("x" * 150, *PLAIN_LABELS[1:])
    text = terminal(sample_report(labels))
    assert max(map(cell_len, text.splitlines())) <= 100
    assert "…" not in text


def test_plain_reports_keep_keys_and_figures_whole_at_a_hundred_columns(plain_report: Report) -> None:
    text = terminal(plain_report)
    table = text.split("Artifacts\n")[1].split("Parity with")[0]
    for one in plain_report.artifacts:
        assert one.key in table
        assert amount(one.size) in table
    assert "…" not in text


def test_markup_in_labels_stays_text_and_sets_no_colour(report: Report) -> None:
    text = terminal(report, color=True)
    assert "[red]alarm[/red]" in text
    assert "\x1b[31m" not in text
    assert HOSTILE_LABELS[3] in terminal(report)


def test_without_a_terminal_there_is_no_escape_sequence(report: Report) -> None:
    assert "\x1b" not in terminal(report)


def test_a_device_alone_gives_its_figures_and_its_own_reasons(report: Report) -> None:
    stream = io.StringIO()
    print_device(report.devices[1], Console(file=stream, width=100))
    text = squeezed(stream.getvalue())
    assert text.startswith("Pixel 8 (Tensor G3, Android 16)")
    assert "4.40 ≈" in text
    assert f"[1] {NO_PHONE}" in text
    assert NEEDS_MACOS not in text


def test_many_artifacts_share_the_class_table_in_pieces(report: Report) -> None:
    # float model and eight artifacts with recall: six columns beside the class name, two of them fixed
    assert terminal(report).count("Recall per class\n") == 2
