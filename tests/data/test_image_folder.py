from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_deploy.contract import InputSpec
from fer_deploy.data.image_files import image_suffixes
from fer_deploy.data.image_folder import class_folders, load_image_folder
from fer_deploy.errors import DataError

WriteFolder = Callable[[Path, Mapping[str, int]], Path]

SPEC = InputSpec(height=20, width=24, color="rgb", mean=(128.0,) * 3, std=(64.0,) * 3)


def paint(path: Path, grey: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (30, 30), (grey, grey, grey)).save(path)


def greys(pixels: np.ndarray) -> list[int]:
    return [int(value) for value in pixels[:, 0, 0, 0]]


def test_images_come_sorted_by_path_with_the_targets_of_the_labels(
    tmp_path: Path, write_folder: WriteFolder
) -> None:
    write_folder(tmp_path / "set", {"happy": 3, "angry": 2})
    faces = load_image_folder(tmp_path / "set", SPEC, ("happy", "angry"))
    assert faces.labels == ("happy", "angry")
    assert faces.targets.tolist() == [1, 1, 0, 0, 0]
    assert greys(faces.pixels) == [0, 1, 0, 1, 2]
    assert faces.rows.tolist() == [0, 1, 2, 3, 4]
    assert faces.distribution.tolist() == [[0, 1], [0, 1], [1, 0], [1, 0], [1, 0]]
    assert not faces.leaked.any()
    assert faces.training_unknown == "one split was read alone"
    assert faces.pixels.shape == (5, 3, 20, 24)
    assert faces.pixels.dtype == np.uint8
    assert faces.pixels.flags.c_contiguous
    assert 0 not in faces.pixels.strides
    assert str(tmp_path / "set") in faces.name


def test_every_suffix_in_any_case_and_what_else_is_there_is_counted(tmp_path: Path) -> None:
    names = ("a.png", "b.PNG", "c.jpg", "d.JPEG", "e.Jpeg", "f.bmp", "g.WebP")
    for grey, name in enumerate(names):
        paint(tmp_path / "only" / name, grey * 10)
    (tmp_path / "only" / "notes.txt").write_text("no image")
    (tmp_path / "only" / "Thumbs.db").write_bytes(b"no image")
    (tmp_path / "only" / "LICENSE").write_bytes(b"")
    (tmp_path / "only" / "folder.png").mkdir()
    os.mkfifo(tmp_path / "only" / "pipe.png")
    (tmp_path / "other").mkdir()
    (tmp_path / "readme.png").write_text("beside the class folders")
    (tmp_path / "drawing.svg").write_text("of a format that is not read")
    (tmp_path / "labels.csv").write_text("")
    (tmp_path / ".cache").mkdir()
    faces = load_image_folder(tmp_path, SPEC, ("only", "other"))
    assert np.abs(np.array(greys(faces.pixels)) - np.arange(7) * 10).max() <= 2
    assert faces.passed_over == {
        "beside the class folders": 2,
        "hidden": 1,
        "named .csv": 1,
        "named .db": 1,
        "named .txt": 1,
        "neither file nor folder": 1,
        "without a suffix": 1,
    }


@pytest.mark.parametrize(
    "suffix", [".tif", ".tiff", ".gif", ".jfif", ".pgm", ".ppm", ".avif", ".jp2", ".tga", ".qoi"]
)
def test_every_format_that_pillow_reads_here_is_read(tmp_path: Path, suffix: str) -> None:
    if suffix not in image_suffixes():
        pytest.skip(f"this Pillow has no {suffix}")
    kind = {".qoi": "QOI"}.get(suffix) or Image.registered_extensions()[suffix]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    mode = "L" if suffix in (".pgm",) else "RGB"
    Image.new(mode, (30, 30), 77 if mode == "L" else (77,) * 3).save(
        tmp_path / "a" / f"x{suffix}", format=kind
    )
    faces = load_image_folder(tmp_path, SPEC, ("a", "b"))
    assert abs(greys(faces.pixels)[0] - 77) <= 2
    assert faces.passed_over == {}


def test_an_image_is_known_by_its_content_where_its_name_says_nothing(tmp_path: Path) -> None:
    paint(tmp_path / "a" / "x.png", 9)
    (tmp_path / "a" / "x.png").rename(tmp_path / "a" / "0001")
    (tmp_path / "b").mkdir()
    assert greys(load_image_folder(tmp_path, SPEC, ("a", "b")).pixels) == [9]


@pytest.mark.parametrize("name", ["x.heic", "x.SVG", "x.jxl", "x.eps"])
def test_an_image_that_pillow_does_not_read_is_named(tmp_path: Path, name: str) -> None:
    paint(tmp_path / "a" / "y.png", 9)
    (tmp_path / "a" / name).write_bytes(b"an image of some kind")
    with pytest.raises(
        DataError, match=rf"a/{name} is an image of a format that Pillow does not read here; save"
    ):
        load_image_folder(tmp_path, SPEC, ("a",))


@pytest.mark.parametrize(
    ("name", "kind"), [("x.tif", "TIFF"), ("x", "TIFF"), ("x.png", "PNG"), ("x.jpg", "MPO"), ("x.gif", "GIF")]
)
def test_only_the_first_picture_of_a_file_is_read_and_the_others_are_counted(
    tmp_path: Path, name: str, kind: str
) -> None:
    (tmp_path / "a").mkdir()
    pages = [Image.new("L", (30, 30), grey) for grey in (5, 6, 7)]
    pages[0].save(tmp_path / "a" / name, format=kind, save_all=True, append_images=pages[1:])
    faces = load_image_folder(tmp_path, SPEC, ("a",))
    assert greys(faces.pixels) == [5]
    assert faces.passed_over == {"later picture of a file with several": 2}


class TestLinks:
    @pytest.mark.parametrize("name", ["a/gone.png", "a/gone", "gone"])
    def test_one_that_leads_nowhere_is_an_error(self, tmp_path: Path, name: str) -> None:
        paint(tmp_path / "a" / "x.png", 1)
        (tmp_path / name).symlink_to(tmp_path / "cache" / "x.png")
        message = (
            rf"{name} is a link to .*cache/x.png, which cannot be reached: No such file .*; restore or mount"
        )
        with pytest.raises(DataError, match=message):
            load_image_folder(tmp_path, SPEC, ("a",))

    def test_the_folder_itself_may_be_one_that_leads_nowhere(self, tmp_path: Path) -> None:
        (tmp_path / "own").symlink_to(tmp_path / "cache")
        with pytest.raises(
            DataError, match=r"own is a link to .*cache, which cannot be reached: .*; restore or"
        ):
            load_image_folder(tmp_path / "own" / "test", SPEC, ("a",))

    def test_files_and_folders_are_followed(self, tmp_path: Path) -> None:
        paint(tmp_path / "far" / "deep" / "x.png", 1)
        paint(tmp_path / "far" / "y.png", 2)
        root = tmp_path / "set"
        (root / "a").mkdir(parents=True)
        (root / "a" / "sub").symlink_to(tmp_path / "far" / "deep")
        (root / "a" / "z.png").symlink_to(tmp_path / "far" / "y.png")
        (root / "b").symlink_to(tmp_path / "far")
        faces = load_image_folder(root, SPEC, ("a", "b"))
        assert greys(faces.pixels) == [1, 2, 1, 2]
        assert faces.targets.tolist() == [0, 0, 1, 1]

    def test_a_circle_is_an_error(self, tmp_path: Path) -> None:
        paint(tmp_path / "a" / "x.png", 1)
        (tmp_path / "a" / "again").symlink_to(tmp_path / "a")
        with pytest.raises(
            DataError, match=r"a/again is a link to a folder that holds it.*; remove the link"
        ):
            load_image_folder(tmp_path, SPEC, ("a",))
        (tmp_path / "a" / "again").unlink()
        (tmp_path / "a" / "again").symlink_to(tmp_path / "a" / "again")
        with pytest.raises(DataError, match=r"a/again is a link to .*: Too many levels of symbolic links; "):
            load_image_folder(tmp_path, SPEC, ("a",))


def test_images_may_lie_deeper(tmp_path: Path) -> None:
    for grey, name in enumerate(("a/1/x.png", "a/2.png", "b/x/y/z.png")):
        paint(tmp_path / name, grey)
    faces = load_image_folder(tmp_path, SPEC, ("a", "b"))
    assert greys(faces.pixels) == [0, 1, 2]
    assert faces.targets.tolist() == [0, 0, 1]


def test_hidden_files_and_folders_are_passed_over(tmp_path: Path) -> None:
    paint(tmp_path / "a" / "x.png", 3)
    paint(tmp_path / "b" / "x.png", 4)
    paint(tmp_path / ".cache" / "x.png", 5)
    paint(tmp_path / "a" / ".thumbnails" / "x.png", 6)
    (tmp_path / "a" / "._x.png").write_bytes(b"what macOS leaves on foreign disks")
    faces = load_image_folder(tmp_path, SPEC, ("a", "b"))
    assert greys(faces.pixels) == [3, 4]
    assert faces.passed_over == {"hidden": 3}
    assert class_folders(tmp_path) == ("a", "b")


def test_a_hidden_parent_does_not_hide_the_images(tmp_path: Path, write_folder: WriteFolder) -> None:
    root = write_folder(tmp_path / ".data" / "set", {"a": 1, "b": 1})
    assert len(load_image_folder(root, SPEC, ("a", "b"))) == 2


def test_a_class_may_be_empty(tmp_path: Path, write_folder: WriteFolder) -> None:
    write_folder(tmp_path / "set", {"a": 0, "b": 2})
    faces = load_image_folder(tmp_path / "set", SPEC, ("a", "b"))
    assert faces.targets.tolist() == [1, 1]
    assert faces.distribution.shape == (2, 2)


def test_no_image_at_all_is_an_error(tmp_path: Path, write_folder: WriteFolder) -> None:
    write_folder(tmp_path / "set", {"a": 0, "b": 0})
    with pytest.raises(DataError, match=r"sub-folders of .*set hold no image; add some, e.g. PNG"):
        load_image_folder(tmp_path / "set", SPEC, ("a", "b"))


@pytest.mark.parametrize(
    ("folders", "labels", "message"),
    [
        (
            ("a", "b"),
            ("a", "b", "c"),
            r"\['a', 'b'\], are not the labels \['a', 'b', 'c'\]: no folder for c;",
        ),
        (("a", "b", "c"), ("b", "a"), r"\['a', 'b', 'c'\], are not the labels \['b', 'a'\]: no label for c;"),
        (("a", "B"), ("a", "b"), r"no folder for b; no label for B; name one folder after each label$"),
    ],
)
def test_what_differs_between_folders_and_labels_is_named(
    tmp_path: Path, write_folder: WriteFolder, folders: tuple[str, ...], labels: tuple[str, ...], message: str
) -> None:
    write_folder(tmp_path / "set", dict.fromkeys(folders, 1))
    with pytest.raises(DataError, match=message):
        load_image_folder(tmp_path / "set", SPEC, labels)


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"image folder .*nowhere does not exist; make it, with one sub-folder"
    ):
        load_image_folder(tmp_path / "nowhere", SPEC, ("a", "b"))


def test_a_file_in_the_folder_s_place_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "set").write_text("")
    with pytest.raises(DataError, match=r"image folder .*set cannot be read: Not a directory; give a folder"):
        load_image_folder(tmp_path / "set", SPEC, ("a", "b"))


def test_a_folder_without_class_folders_is_an_error(tmp_path: Path) -> None:
    paint(tmp_path / "x.png", 0)
    with pytest.raises(DataError, match="has no sub-folder; put the images into one sub-folder per class"):
        load_image_folder(tmp_path, SPEC, ("a", "b"))


def test_an_undecodable_image_is_named(tmp_path: Path, write_folder: WriteFolder) -> None:
    root = write_folder(tmp_path / "set", {"a": 1, "b": 1})
    (root / "b" / "bad.jpg").write_text("no image")
    message = r"bad\.jpg is not an image that can be decoded: its format is unknown; replace the file"
    with pytest.raises(DataError, match=message):
        load_image_folder(root, SPEC, ("a", "b"))
