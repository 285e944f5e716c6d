"""Layer tables against the parameters and multiply-accumulates that their papers and model cards print."""

from __future__ import annotations

import csv
import math

import pytest

from fer_deploy.devices.estimator.builder import Builder, divisible
from fer_deploy.devices.estimator.networks import DATA, architecture, network
from fer_deploy.quantize.costs import KINDS


@pytest.mark.parametrize(
    ("name", "px", "macs_m", "params_m"),
    [
        ("mobilenet_v1_1.0", 224, 569, 4.2),  # arXiv:1704.04861, table 6
        ("mobilenet_v1_0.25", 128, 14, 0.5),  # arXiv:1704.04861, tables 6 and 7
        ("mobilenet_v2_1.0", 224, 300, 3.4),  # arXiv:1801.04381, table 4
        ("mobilenet_v2_1.4", 224, 582, 6.06),  # tensorflow/models research/slim/nets/mobilenet/README.md
        ("mobilenet_v3_large_1.0", 224, 219, 5.4),  # arXiv:1905.02244, table 3
        ("mobilenet_v3_small_1.0", 224, 56, 2.5),  # arXiv:1905.02244, table 3
        ("mnasnet_1.0", 224, 315, 4.4),  # arXiv:1807.11626, MnasNet-B1
        ("proxylessnasnet", 224, 320, 4.1),  # arXiv:1812.00332, mobile
        ("efficientnet_b0", 224, 390, 5.3),  # arXiv:1905.11946, table 2
        ("efficientnetv2_b0", 224, 720, 7.1),  # keras.io/api/applications
        ("resnet18", 224, 1800, 11.7),  # arXiv:1512.03385, table 1
        ("resnet50", 224, 3800, 25.6),  # arXiv:1512.03385, table 1
        ("googlenet", 224, 1550, 6.9),  # arXiv:1409.4842
        ("squeezenet", 227, 387, 1.24),  # forresti/SqueezeNet, 1.1 (the margin allows for its padding)
        ("shufflenet", 224, 137, 1.9),  # arXiv:1707.01083, 1x with 3 groups
        ("shufflenet_v2", 224, 146, 2.3),  # arXiv:1807.11164, 1x
        ("regnety_400m", 224, 400, 4.3),  # arXiv:2003.13678
        ("vgg16", 224, 15500, 138.4),  # arXiv:1409.1556, table 2
    ],
)
def test_tables_add_up_to_the_published_figures(name: str, px: int, macs_m: float, params_m: float) -> None:
    costs = network(name, px)
    assert costs is not None
    assert costs.macs / 1e6 == pytest.approx(macs_m, rel=0.12)
    # normalisation's parameters are folded away here, and counted there
    assert 0.9 * params_m <= costs.weights / 1e6 <= 1.05 * params_m


def test_rows_agree_with_the_tables() -> None:
    """Rows that print parameters and multiply-accumulates are of the networks that we take them for."""
    checked = 0
    with (DATA / "cpu_rows.csv").open(encoding="utf-8", newline="") as stream:
        for cells in csv.DictReader(stream):
            costs = network(cells["model"], int(cells["input_px"]))
            if costs is None or not cells["macs_m"]:
                continue
            assert costs.macs / 1e6 == pytest.approx(float(cells["macs_m"]), rel=0.06), cells["model"]
            assert costs.weights / 1e6 == pytest.approx(float(cells["params_m"]), rel=0.05), cells["model"]
            checked += 1
    assert checked > 20


def test_names() -> None:
    assert architecture("mobilenet_int8") == architecture("mobilenet") == "mobilenet_v1_1.0"
    assert architecture("resnet18_int8") == "resnet18"
    assert architecture("mobilenet_v2") == architecture("mobilenet_v2_1.0")
    assert architecture("mobilenet_v2_0.35") != architecture("mobilenet_v2_1.0")
    for unknown in ("nasnet_mobile", "mobilenet_v2_99", "mobilenet_v1_", "", "../etc/passwd"):
        assert network(unknown, 224) is None
        assert architecture(unknown) is None


def test_every_kind_is_counted() -> None:
    net = Builder("all", 8, 4).conv(8, 3).conv(8).conv(8, 3, 1, 2).depthwise(3, 2).pool(2, 2).elementwise()
    costs = net.linear(5).done()
    by_kind = costs.macs_by_kind()
    assert tuple(by_kind) == KINDS
    assert by_kind["conv"] == 8 * 4 * 9 * 64
    assert by_kind["pointwise"] == 8 * 8 * 64
    assert by_kind["grouped"] == 8 * 4 * 9 * 64
    assert by_kind["depthwise"] == 8 * 9 * 16
    assert by_kind["linear"] == 8 * 4 * 5
    assert costs.macs == sum(by_kind.values())


@pytest.mark.parametrize(("value", "expected"), [(32 * 0.35, 16), (24 * 0.75, 24), (7, 8), (96 * 1.3, 128)])
def test_channels_are_rounded_as_mobilenets_do(value: float, expected: int) -> None:
    assert divisible(value) == expected
    assert math.ceil(0.9 * value) <= divisible(value)
