"""What a model is made of is told from its files, executing nothing; what cannot be told is never the same."""

from __future__ import annotations

import hashlib
import sys
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path

import pytest
import tomli_w

from fer_deploy.errors import ModelError
from fer_deploy.files import sha256_of
from fer_deploy.model.names import model_name
from fer_deploy.model.origin import ModelFiles, Origin, read_model_files
from fer_deploy.model.sources import sources_of
from fixtures.synthetic import contract_for, input_spec


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A factory in a package: it must not be run, so every file of it ends in an error."""
    monkeypatch.chdir(tmp_path)
    package = tmp_path / "my_net"
    (package / "parts").mkdir(parents=True)
    (package / "__init__.py").write_text("from .build import build\nraise SystemExit('executed')\n")
    (package / "build.py").write_text(
        "import json\nimport torch\nfrom .parts import stem\nimport helper\ndef build():\n    import late\n"
    )
    (package / "parts" / "__init__.py").write_text("")
    (package / "parts" / "stem.py").write_text("from ..shared import SIZE\n")
    (package / "shared.py").write_text("SIZE = 3\n")
    (package / "unused.py").write_text("")
    (tmp_path / "helper.py").write_text("raise SystemExit('executed')\n")
    (tmp_path / "late.py").write_text("")
    (tmp_path / "contract.toml").write_text(
        tomli_w.dumps({"contract": contract_for(input_spec()).model_dump(mode="json")})
    )
    (tmp_path / "weights.pt").write_bytes(b"weights")
    return tmp_path


def files(reference: str = "my_net:build") -> ModelFiles:
    return read_model_files(reference, Path("contract.toml"), Path("weights.pt"))


@pytest.mark.usefixtures("project")
def test_every_local_file_behind_a_factory_is_found_and_none_is_run() -> None:
    found = files()
    assert set(found.origin.sources) == {
        "my_net", "my_net.build", "my_net.parts", "my_net.parts.stem", "my_net.shared", "helper", "late",
    }  # fmt: skip
    assert found.origin.unknown is None
    assert (found.name, found.weights_sha256) == ("my_net", hashlib.sha256(b"weights").hexdigest())
    assert "my_net" not in sys.modules


@pytest.mark.parametrize("name", ["my_net/shared.py", "late.py", "my_net/__init__.py"])
def test_a_change_in_any_of_them_is_seen(project: Path, name: str) -> None:
    before = files().origin.sources
    (project / name).write_text((project / name).read_text() + "# changed\n")
    after = files().origin.sources
    assert [key for key in before if before[key] != after[key]] == [
        name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    ]


def test_a_file_that_comes_or_goes_is_seen(project: Path) -> None:
    (project / "helper.py").unlink()
    assert "helper" not in files().origin.sources


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("importlib.import_module(name)", "imports a module whose name only running it would tell"),
        ("__import__(f'{x}')", "imports a module whose name"),
        ("importlib.import_module('.x', 'y')", "imports a module whose name"),
        ("exec(text)", "runs code that cannot be found by reading: exec"),
        ("torch.hub.load('a', 'b')", "runs code that cannot be found by reading: torch.hub.load"),
        ("importlib.util.spec_from_file_location('a', b)", "runs code that cannot be found"),
        ("sys.path.insert(0, 'x')", "changes where modules are looked for: sys.path.insert"),
    ],
)
def test_what_only_running_would_tell_is_unknown(project: Path, line: str, said: str) -> None:
    (project / "helper.py").write_text(f"def f():\n    {line}\n")
    unknown = files().origin.unknown
    assert unknown is not None
    assert "helper.py, line 2, " in unknown
    assert said in unknown


@pytest.mark.parametrize(
    "code",
    [
        "import sys\nsys.path += ['x']",
        "import sys\nsys.path[:0] = ['x']",
        "from sys import path\npath.insert(0, 'x')",
        "import sys as s\ns.path.insert(0, 'x')",
        "import site\nsite.addsitedir('x')",
        "from importlib import import_module as load\nload('x')",
        "import importlib\ngetattr(importlib, 'import_' + 'module')('x')",
        "e = exec\ne('import x')",
        "import builtins\nbuiltins.exec('import x')",
        "from runpy import run_path as r\nr('x.py')",
    ],
)
def test_other_ways_to_run_what_cannot_be_read_off(project: Path, code: str) -> None:
    (project / "helper.py").write_text(code + "\n")
    assert "helper.py, line" in (files().origin.unknown or "")


def test_a_name_given_in_words_is_followed(project: Path) -> None:
    (project / "helper.py").write_text("importlib.import_module('my_net.unused')\nmodel.eval()\n")
    assert "my_net.unused" in files().origin.sources
    assert files().origin.unknown is None


@pytest.mark.parametrize(
    ("module", "said"), [("nowhere", "is not to be found from"), ("torch.nn", "is an installed package")]
)
@pytest.mark.usefixtures("project")
def test_a_factory_whose_files_are_not_the_users_is_unknown(module: str, said: str) -> None:
    found = sources_of(module)
    assert said in (found.unknown or "")
    assert found.sha256 == {}


def test_a_source_that_python_cannot_read_is_unknown(project: Path) -> None:
    (project / "late.py").write_text("def (")
    assert "late.py cannot be read" in (files().origin.unknown or "")


def test_an_exported_program_is_its_file_and_contract(project: Path) -> None:
    (project / "net.pt2").write_bytes(b"program")
    (project / "contract.toml").rename(project / "net.toml")
    found = read_model_files("net.pt2", None, None)
    assert (found.name, found.origin) == ("net", Origin())
    assert found.weights_sha256 == hashlib.sha256(b"program").hexdigest()


def test_a_folder_is_its_weights_contract_and_architecture(model_folder: Path) -> None:
    found = read_model_files(str(model_folder), None, None)
    assert found.name == model_folder.name
    assert set(found.origin.sources) == {"[architecture]"}


@pytest.mark.parametrize("reference", ["gone", "gone.pt2"])
@pytest.mark.usefixtures("project")
def test_what_is_not_here_is_an_error(reference: str) -> None:
    with pytest.raises(ModelError, match=r"is not here|cannot be read"):
        read_model_files(reference, Path("contract.toml"), None)


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("a/b/fer_s", "fer_s"),
        ("a/net.pt2", "net"),
        ("my_net:build", "my_net"),
        ("my.net:build", "my.net"),
        ("a/x/..", "a"),
    ],
)
def test_a_models_name_is_that_of_its_folder_file_or_factory(reference: str, name: str) -> None:
    assert model_name(reference) == name
    assert model_name(reference, "own name") == "own name"


@pytest.mark.usefixtures("project")
def test_a_given_name_stands_in_the_files_and_their_origin() -> None:
    found = read_model_files("my_net:build", Path("contract.toml"), Path("weights.pt"), "faces")
    assert (found.name, found.origin.name) == ("faces", "faces")


def test_packages_without_an_init_file_are_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has imported them: Python's own search would ask its list of modules for the folders above."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "src9" / "models").mkdir(parents=True)
    (tmp_path / "src9" / "parts").mkdir()
    (tmp_path / "src9" / "models" / "net.py").write_text("from src9.parts.stem import SIZE\n")
    (tmp_path / "src9" / "parts" / "stem.py").write_text("SIZE = 3\n")
    found = sources_of("src9.models.net")
    assert found.unknown is None
    assert set(found.sha256) == {"src9.models.net", "src9.parts.stem"}
    assert "src9" not in sys.modules


def test_a_package_that_was_installed_editable_is_read(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """setuptools adds a finder for packages whose folder is called otherwise, and no path."""
    package = project / "elsewhere" / "code"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("SIZE = 3\n")

    class _EditableFinder:
        @classmethod
        def find_spec(cls, name: str, *_: object) -> ModuleSpec | None:
            file = package / "__init__.py"
            if name != "far":
                return None
            return spec_from_file_location(name, file, submodule_search_locations=[str(package)])

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, _EditableFinder])
    assert sources_of("far").sha256 == {"far": sha256_of(package / "__init__.py")}
