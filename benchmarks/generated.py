"""Writes what a benchmark measured between two markers of a Markdown page, so that no figure is typed by hand."""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
from collections.abc import Sequence
from pathlib import Path

from fer_deploy.errors import ConfigError
from fer_deploy.files import write_atomic


def replace_section(page: Path, name: str, text: str) -> None:
    """Replace what stands between ``<!-- name -->`` and ``<!-- /name -->`` in ``page``."""
    document = page.read_text(encoding="utf-8")
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    if document.count(begin) != 1 or document.count(end) != 1:
        raise ConfigError(f"{page} has no section between '{begin}' and '{end}'")
    head, rest = document.split(begin)
    _, tail = rest.split(end)
    write_atomic(page, f"{head}{begin}\n\n{text.strip()}\n\n{end}{tail}")


def conditions(model_sha256: str | None, command: str) -> str:
    """Return a line that says what a table was made with, when, and on what; without a digest, random weights."""
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}"
        for name in ("torch", "torchao", "executorch", "onnxruntime")
    )
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    weights = "random weights" if model_sha256 is None else f"weights sha256 {model_sha256[:12]}"
    return f"`{command}`, {today}, {weights}, {cpu()}, {versions}."


def cpu() -> str:
    """Return the processor's name as the system gives it, and whether it has VNNI."""
    info = Path("/proc/cpuinfo")
    if not info.is_file():
        return platform.processor() or platform.machine()
    lines = info.read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    flags = next((line for line in lines if line.startswith("flags")), "")
    vnni = "VNNI" if "vnni" in flags else "no VNNI"
    return f"{names[0] if names else platform.machine()} ({vnni})"


def table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Return a Markdown table; every column but the first is right-aligned."""
    lines = ["| " + " | ".join(header) + " |", "|---" + "|--:" * (len(header) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])
