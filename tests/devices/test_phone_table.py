"""The profiles of phones are what profiles/source/phones.toml gives; the table itself is complete."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from fer_deploy.devices.attached import matching
from fer_deploy.devices.profile import load_profiles, resolve
from fer_deploy.devices.profile_schema import DeviceProfile

_SOURCE = Path(__file__).resolve().parents[2] / "profiles" / "source"


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_profiles", _SOURCE / "make_profiles.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make = _script()
TABLE: dict[str, Any] = make.read_table()
PHONES = [profile for profile in load_profiles() if profile.name in {one["name"] for one in TABLE["phones"]}]


def test_committed_files_are_what_the_table_gives() -> None:
    assert make.differences(make.profile_texts(TABLE)) == []
    assert len(PHONES) == len(TABLE["phones"])


def test_what_differs_is_said_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = make.profile_texts(TABLE)
    make.write(texts, tmp_path)
    assert make.differences(texts, tmp_path) == []
    (tmp_path / "pixel-6.toml").unlink()
    (tmp_path / "pixel-7.toml").write_text("name = 1\n")
    (tmp_path / "pixel-99.toml").write_text(make.MARK + "\n")
    (tmp_path / "my-own.toml").write_text("name = 2\n")
    assert make.differences(texts, tmp_path) == [
        "pixel-6.toml is missing",
        "pixel-7.toml differs from the table",
        "pixel-99.toml is no longer in the table",
    ]
    make.write(texts, tmp_path)
    assert make.differences(texts, tmp_path) == []
    assert (tmp_path / "my-own.toml").is_file()
    assert make.main(["--check"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("[chips.x]\ncolour = 1\n", "chips.x: unknown key colour"),
        ('[chips.x]\nfamily = "pixel"\n', "no phone has the chip x"),
        ('[[phones]]\nname = "pixel-6"\n', "phone pixel-6 is there twice"),
        ('[[phones]]\nname = "x"\nram = 3\n', "phone x: unknown key ram"),
        ('[[phones]]\nname = "x"\nchip = "gone"\n', "x: chips has no gone"),
    ],
)
def test_mistakes_in_the_table_are_said(tmp_path: Path, change: str, message: str) -> None:
    path = tmp_path / "phones.toml"
    path.write_text((_SOURCE / "phones.toml").read_text(encoding="utf-8") + "\n" + change, encoding="utf-8")
    with pytest.raises(make.TableError, match=message):
        make.profile_texts(make.read_table(path))


def test_every_place_and_feature_is_used() -> None:
    cited = {
        place
        for owner in (*TABLE["chips"].values(), *TABLE["phones"])
        for place in (
            *(source["where"] for source in owner.get("sources", ())),
            *(owner[key] for key in ("soc_from", "match_from", "features_from") if key in owner),
        )
    } | {"llvm"}
    assert set(TABLE["where"]) == cited
    cores = {one["microarchitecture"] for chip in TABLE["chips"].values() for one in chip.get("cores", ())}
    assert set(TABLE["features"]) == cores


@pytest.mark.parametrize("phone", PHONES, ids=lambda phone: phone.name)
def test_every_phone_says_where_its_chip_and_its_match_come_from(phone: DeviceProfile) -> None:
    assert phone.sources_of("soc")
    assert phone.sources_of("match")


def test_what_a_phone_says_is_claimed_once() -> None:
    claims = [
        claim
        for phone in PHONES
        for claim in (
            *((key, one) for key, accepted in phone.match.getprop.items() for one in accepted),
            *(("apple_model", one) for one in phone.match.apple_model),
        )
    ]
    assert sorted(set(claims)) == sorted(claims)
    assert all(phone.match.getprop or phone.match.apple_model for phone in PHONES)


@pytest.mark.parametrize(
    ("says", "name"),
    [
        ({"ro.product.model": "Pixel 9", "ro.product.device": "tokay"}, "pixel-9"),
        ({"ro.product.model": "Pixel 9 Pro XL", "ro.product.device": "komodo"}, "pixel-9-pro-xl"),
        ({"ro.product.model": "SM-S921U", "ro.product.device": "e1q"}, "galaxy-s24"),
        ({"ro.product.model": "SM-S921B", "ro.product.device": "e1s"}, "galaxy-s24-exynos"),
        ({"ro.product.model": "SM-A546B", "ro.product.device": "a54x"}, "galaxy-a54-5g"),
        ({"ro.product.model": "Nothing of ours", "ro.product.device": "nothing"}, None),
    ],
)
def test_phones_are_told_apart(says: dict[str, str], name: str | None) -> None:
    found = matching(says, load_profiles())
    assert (found.name if found else None) == name


@pytest.mark.parametrize(
    ("alias", "name"), [("pixel", "pixel-9"), ("galaxy", "galaxy-s25"), ("iphone", "iphone-16")]
)
def test_makers_stand_for_one_phone(alias: str, name: str) -> None:
    assert resolve(alias).profile.name == name


def test_cores_are_fastest_first() -> None:
    for phone in PHONES:
        clocks = [one.max_ghz for one in phone.cores if one.max_ghz is not None]
        assert clocks == sorted(clocks, reverse=True), phone.name
