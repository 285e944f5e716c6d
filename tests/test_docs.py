"""What the pages show is what there is: every command line, configuration, workflow, module and link in them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

import fer_deploy
from fer_deploy.contract import Confidence, parse_contract
from fer_deploy.experiments.search_schema import Pruning, SearchEstimate, SearchLimits
from fer_deploy.experiments.study_schema import load_study
from fer_deploy.gate.budget import Budget, Waiver
from fer_deploy.pipeline.config import CorruptionsSection
from fer_deploy.train.family.recipe import FamilyRecipe
from fer_deploy.train.recipe import load_recipe
from fixtures.commands import read_line

ROOT = Path(__file__).resolve().parents[1]
PAGES = tuple(
    page
    for pattern in ("*.md", "docs/*.md", "*_demo/*.md", "models/*.md", "models/*/*.md", "examples/*/*.md")
    for page in sorted(ROOT.glob(pattern))
)
#: Fences whose test is elsewhere, since they are run and not only read: by page and language.
_RUN = {
    ("docs/api.md", "python"): "test_api_docs.py",
    ("docs/quickstart.md", "console"): "test_quickstart.py",
}


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def fences(page: Path) -> Iterator[tuple[str, str]]:
    """Yield the language and the text of every fenced block."""
    yield from re.findall(
        r"^```(\w*)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


def command_lines(page: Path) -> Iterator[str]:
    """Yield every line of ours to type: indented, in a fence, or in backticks; two joined by && apart."""
    text = page.read_text(encoding="utf-8")
    whole = re.findall(r"^ {4,}fer-deploy (.+)$", text, re.MULTILINE)
    whole += [
        line.removeprefix("fer-deploy ")
        for _, block in fences(page)
        for line in block.splitlines()
        if line.startswith("fer-deploy ")
    ]
    whole += [" ".join(span.split()) for span in re.findall(r"`fer-deploy\s([^`]+)`", text)]
    for line in whole:
        yield from re.split(r"\s*&&\s*fer-deploy\s+", line.partition(" #")[0].strip())


LINES = sorted({(name_of(page), line) for page in PAGES for line in command_lines(page)})
#: What may be left out, in a line that says how a command is called.
_OPTIONAL = re.compile(r"\[[^\]]*\]")
#: A command that needs an argument, named without it in running text: `fer-deploy data import`.
_NAMED_ONLY = re.compile(r"[a-z-]+( [a-z-]+)?")


@pytest.mark.parametrize("line", [line for _, line in LINES], ids=[f"{page}: {line}" for page, line in LINES])
def test_a_documented_line_is_what_the_command_reads(line: str) -> None:
    try:
        assert read_line(_OPTIONAL.sub("", line).removesuffix(" ..."))
    except click.MissingParameter:
        assert _NAMED_ONLY.fullmatch(line)


def test_the_pages_hold_lines_of_most_commands() -> None:
    assert len({line.split()[0] for _, line in LINES}) > 20


FENCES = [(name_of(page), kind, text) for page in PAGES for kind, text in fences(page)]


def _configuration(table: dict[str, Any], tmp_path: Path, text: str) -> None:
    match sorted(table)[0]:
        case "contract" if set(table["contract"]) == {"confidence"}:
            assert Confidence.model_validate(table["contract"]["confidence"])
        case "contract":
            parse_contract(table["contract"], "the page")
        case "budget":
            assert Budget.model_validate(table["budget"])
            others = set(table) - {"budget", "waiver", "corruptions"}
            assert not others
            assert [Waiver.model_validate(waiver) for waiver in table.get("waiver", ())] or len(table) > 1
            assert CorruptionsSection.model_validate(table.get("corruptions", {}))
        case "estimate":
            assert SearchEstimate.model_validate(table["estimate"])
            assert Pruning.model_validate(table["pruning"])
            assert SearchLimits.model_validate(table["limits"])
        case _ if "students" in table:
            assert FamilyRecipe.model_validate(table).students.epochs
        case _:
            file = tmp_path / "page.toml"
            file.write_text(text, encoding="utf-8")
            assert load_study(file).seeds if "seeds" in table else load_recipe(file).epochs


def _workflow(text: str) -> None:
    """Hold a step to the action's inputs, or a hook to the hooks' names."""
    action = (ROOT / "action.yml").read_text(encoding="utf-8")
    inputs = re.findall(
        r"^  ([\w-]+):$", action.partition("inputs:\n")[2].partition("runs:")[0], re.MULTILINE
    )
    hooks = re.findall(r"^- id: (\S+)$", (ROOT / ".pre-commit-hooks.yaml").read_text(), re.MULTILINE)
    if "hooks:" in text:
        assert set(re.findall(r"- id: (\S+)", text)) <= set(hooks)
    else:
        assert "uses: OWNER/fer-deploy@" in text
        assert set(re.findall(r"^ {4}([\w-]+):", text, re.MULTILINE)) <= set(inputs)


def _house(text: str) -> None:
    """Hold the plan of the house to its rooms: the words before two spaces are folders or modules, each of them."""
    package = Path(fer_deploy.__file__).parent
    rooms = {
        one.stem
        for one in package.iterdir()
        if not one.name.startswith("_") and one.suffix in ("", ".py", ".pyi")
    }
    drawn = {
        word for line in text.splitlines() for word in re.split(r"\s{2,}(?=\w+ \w)", line.strip())[0].split()
    }
    assert rooms <= drawn, rooms - drawn


def _way(text: str) -> None:
    """Hold the main job's way to the code: what a line begins with is a name in it."""
    sources = Path(fer_deploy.__file__).parent.rglob("*.py")
    code = "\n".join(source.read_text(encoding="utf-8") for source in sources)
    for line in text.splitlines():
        name = re.match(r"[\w.]+", line.strip())
        if name and name[0] != "for":
            assert re.search(rf"\b{name[0].rpartition('.')[2]}\b", code), name[0]


@pytest.mark.parametrize(("page", "kind", "text"), FENCES)
def test_a_fenced_block_is_read_as_what_it_is(page: str, kind: str, text: str, tmp_path: Path) -> None:
    if (page, kind) in _RUN:
        assert (ROOT / "tests" / _RUN[page, kind]).is_file()
    elif kind == "toml":
        _configuration(tomllib.loads(text), tmp_path, text)
    elif kind == "yaml":
        _workflow(text)
    elif text.lstrip().startswith("cli "):
        _house(text)
    elif text.lstrip().startswith("Run(config)"):
        _way(text)
    else:
        pytest.fail(f"{page}: nothing tries a block of '{kind}'")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in link or link.startswith("mailto:"):
            continue
        where, _, anchor = link.partition("#")
        target = (page.parent / where) if where else page
        assert target.exists(), f"{link} in {name_of(page)}"
        if anchor:
            assert anchor in _anchors(target), f"{link} in {name_of(page)}"


def _anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_scripts_and_targets_of_make_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    typed = re.findall(r"^ {4,}(\S.*)$", text, re.MULTILINE) + re.findall(r"`([^`\n]+)`", text)
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for line in typed:
        if found := re.match(r"make ([a-z]+)\b", line):
            assert found[1] in targets, line
        for script in re.findall(
            r"(?<![\w./-])((?:tests|benchmarks|\w+_demo)/[a-z_\d/.-]+\.(?:sh|py))\b", line
        ):
            assert (ROOT / script).is_file() or (page.parent / script).is_file(), line
