"""Every Swift file parses; the compiler's own verdict needs the toolchain (test_swift.py)."""

from __future__ import annotations

from pathlib import Path

import pytest
import tree_sitter
import tree_sitter_swift

from apps.conftest import REPOSITORY

FILES = sorted((REPOSITORY / "ios_demo").rglob("*.swift"))


def _errors(source: bytes) -> list[tuple[int, str]]:
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_swift.language()))
    found, open_nodes = [], [parser.parse(source).root_node]
    while open_nodes:
        node = open_nodes.pop()
        if node.is_error or node.is_missing:
            found.append((node.start_point[0] + 1, node.type))
        open_nodes.extend(node.children)
    return found


def test_there_are_swift_files() -> None:
    assert {"FacePixels.swift", "Camera.swift", "Package.swift"} <= {file.name for file in FILES}


@pytest.mark.parametrize(
    "file", FILES, ids=[str(file.relative_to(REPOSITORY / "ios_demo")) for file in FILES]
)
def test_swift_file_parses(file: Path) -> None:
    assert _errors(file.read_bytes()) == []


def test_broken_swift_is_found() -> None:
    assert _errors(b"func broken( { let x = }")
