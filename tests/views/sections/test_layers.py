"""Layers and INVALID timings in every view: sorted, complete, and never a figure that looks better than it is."""

from __future__ import annotations

import re

import pytest

from fer_deploy.measure.comparison import EQUAL
from fer_deploy.measure.figures import RuntimeFigures
from fer_deploy.measure.measurement import Measurement
from fer_deploy.report.schema import Report
from fer_deploy.views import plots
from fer_deploy.views.html import render_html
from fer_deploy.views.layer_tables import (
    noise_columns,
    noise_table,
    noisiest,
    outside,
    slowest,
    time_table,
)
from fer_deploy.views.markdown import render_markdown
from fer_deploy.views.sections.devices import device_table, invalid_timings
from fer_deploy.views.sections.layers import noise_by_layer, time_by_layer
from fer_deploy.views.tables import INVALID
from fixtures.reading import Page, rendered, squeezed, terminal
from fixtures.sample_report import BROKEN_RULES, NO_LAYERS, NO_PROFILE, called

VIEWS = pytest.mark.parametrize("name", ["html", "markdown", "terminal"])


def view(name: str, report: Report) -> str:
    if name == "html":
        return Page(render_html(report)).text
    if name == "markdown":
        return Page(rendered(render_markdown(report))).text
    return squeezed(terminal(report, width=100))


def profiled(report: Report) -> RuntimeFigures:
    return next(one for one in report.devices[0].figures if one.artifact == "onnx-w8a8-ptq")


@pytest.mark.usefixtures("without_pictures")
@VIEWS
def test_an_invalid_timing_is_called_so_with_its_reasons(name: str, plain_report: Report) -> None:
    text = view(name, plain_report)
    assert INVALID in text
    assert [reason for reason in BROKEN_RULES if reason not in text] == []


@VIEWS
def test_a_valid_report_does_not_say_invalid(name: str, plain_report: Report) -> None:
    host = plain_report.devices[0]
    sound = host.model_copy(
        update={
            "figures": tuple(
                timed.model_copy(update={"invalid": (), **called(timed, "VALID")}) for timed in host.figures
            )
        }
    )
    text = view(name, plain_report.model_copy(update={"devices": (sound, *plain_report.devices[1:])}))
    assert INVALID not in text


def test_the_verdict_on_a_timing_stands_in_its_row(plain_report: Report) -> None:
    host, phone, _ = plain_report.devices
    verdicts = {name: cells[-1] for name, cells in device_table(host).rows}
    assert verdicts["onnx-float"] == INVALID
    assert verdicts["onnx-w8a8-ptq"] == "VALID"
    assert verdicts["coreml-float"] == "–", "nothing was timed"
    assert {cells[-1] for _, cells in device_table(phone).rows} == {"–"}, "an estimate is no timing"
    assert invalid_timings(host) == (("onnx-float", "; ".join(BROKEN_RULES)),)


def test_the_latency_plot_crosses_an_invalid_timing_out(plain_report: Report) -> None:
    host, phone, _ = plain_report.devices
    crossed = plots.accuracy_against_latency(plain_report, host)
    assert crossed is not None
    assert "INVALID timing" in crossed
    other = plots.accuracy_against_latency(plain_report, phone)
    assert other is not None
    assert "INVALID" not in other


@pytest.mark.usefixtures("without_pictures")
@VIEWS
def test_layers_are_named_and_what_is_missing_says_why(name: str, plain_report: Report) -> None:
    text = view(name, plain_report)
    assert "network.blocks.2.body.3" in text, "the noisiest"
    assert "network.blocks.0.body.3" in text, "the slowest"
    assert NO_LAYERS in text
    assert NO_PROFILE in text


def test_times_are_sorted_and_complete(plain_report: Report) -> None:
    figures = profiled(plain_report)
    table = time_table(figures)
    assert [name for name, _ in table.rows] == ["network.blocks.0.body.3", "reorder", "transpose"]
    (_, cells) = table.rows[0]
    assert isinstance(cells[1], Measurement)
    assert cells[1].value == pytest.approx(0.8)
    assert table.rows[2][1][:4] == ("–", "–", "–", "–")
    assert [one.name for one in slowest(figures)] == ["conv_token_3", "reorder"]
    assert outside(figures) == ("reorder", "transpose")


def test_noise_stands_beside_that_of_the_graph(plain_report: Report) -> None:
    graph = plain_report.graphs[0]
    table = noise_table(plain_report, graph)
    assert table.columns == ("operator", "graph", "onnx-w8a8-ptq", "coreml-w8a8-ptq")
    assert table.rows[0] == ("normalise", ("conv", "equal", "equal", "equal"))
    emulated = table.rows[1][1][3]
    assert isinstance(emulated, Measurement)
    assert emulated.provenance == "emulated"
    assert noisiest(graph.layers)[0].name == "network.blocks.2.body.3"
    assert [one.name for one in noise_columns(plain_report, plain_report.graphs[1])] == []


def test_the_noise_plot_shows_every_layer(plain_report: Report) -> None:
    drawn = noise_by_layer(plain_report, plain_report.graphs[0])
    assert drawn is not None
    for layer in plain_report.graphs[0].layers:
        assert layer.name in drawn
    assert noise_by_layer(plain_report, plain_report.graphs[1]) is None


def test_the_time_plot_shows_the_layers_that_are_known(plain_report: Report) -> None:
    host, phone, _ = plain_report.devices
    drawn = time_by_layer(plain_report, host)
    assert drawn is not None
    assert "network.blocks.0.body.3" in drawn
    assert "transpose" not in drawn, "no layer of the float model"
    assert "onnx-w8a8-ptq" in drawn
    assert "executorch" not in drawn, "its layers were not timed"
    assert time_by_layer(plain_report, phone) is None


@pytest.mark.usefixtures("without_pictures")
def test_a_bar_is_as_long_as_its_share_of_the_longest(plain_report: Report) -> None:
    """Shares are 80 % and 20 % in each of the three profiles."""
    source = render_html(plain_report)
    lengths = re.findall(r'class="bar" style="--share: ([0-9.]+)%"', source)
    assert lengths == ["100.0", "25.0"] * 3


@pytest.mark.usefixtures("without_pictures")
def test_equal_layers_are_not_called_unknown(plain_report: Report) -> None:
    source = render_html(plain_report)
    assert EQUAL in Page(source).text
    assert ">equal<" in source
