"""What a model is called: the folder of its artifacts, and its name in reports."""

from __future__ import annotations

from pathlib import Path

from fer_deploy.errors import ConfigError

#: What Windows, macOS or a shell would not have in the name of a file.
_FORBIDDEN = '/\\:*?"<>|'
_LONGEST = 100


def is_factory(text: str) -> bool:
    """Return whether ``text`` reads ``package.module:factory``."""
    module, _, name = text.partition(":")
    return name.isidentifier() and all(part.isidentifier() for part in module.split("."))


def model_name(reference: str, name: str | None = None) -> str:
    """Return the name of the model that ``reference`` names: of its folder, its file or the factory's module.

    Args:
        reference: as :func:`fer_deploy.model.load_model` takes it.
        name: what the user calls it instead, or None.

    Raises:
        ConfigError: ``name`` cannot be the name of a folder.
    """
    if name is not None:
        return checked_name(name)
    if is_factory(reference):
        return reference.partition(":")[0]
    path = Path(reference)
    return path.stem if reference.endswith(".pt2") and not path.is_dir() else path.resolve().name


def checked_name(name: str) -> str:
    """Return ``name``, which is to be the name of a folder.

    Raises:
        ConfigError: it cannot be one everywhere.
    """
    strange = sorted({sign for sign in name if sign in _FORBIDDEN or not sign.isprintable()})
    if strange:
        problem = f"holds {' '.join(repr(sign) for sign in strange)}"
    elif not name.strip():
        problem = "is empty"
    elif name != name.strip() or name[0] in ".-" or name[-1] == ".":
        problem = "begins with a dot, a dash or a blank, or ends with a dot or a blank"
    elif len(name) > _LONGEST:
        problem = f"has {len(name)} characters, more than {_LONGEST}"
    else:
        return name
    raise ConfigError(
        f"model name {name[:_LONGEST]!r} {problem}, and so is no name for a folder; set [model] name to letters, "
        "digits, '_', '-' and '.'"
    )
