"""The file that holds a model's contract, and a fitted confidence put into it."""

from __future__ import annotations

import tomllib
from pathlib import Path

from fer_deploy.contract import Confidence, contract_table, parse_contract
from fer_deploy.errors import ContractError, ModelError
from fer_deploy.files import read_toml, write_atomic
from fer_deploy.model.folder import MODEL_FILE
from fer_deploy.model.names import is_factory


def contract_file(reference: str, contract: Path | None = None) -> Path:
    """Return the file whose ``[contract]`` table holds for a model, whether or not it is there.

    Args:
        reference: as :func:`fer_deploy.model.load_model` takes it.
        contract: what ``--contract`` names; None for the model's own.

    Raises:
        ModelError: the model is a factory, which brings none.
    """
    path = Path(reference)
    if path.is_dir():
        return path / MODEL_FILE
    if contract is not None:
        return contract
    if is_factory(reference):
        raise ModelError(
            f"model factory '{reference}' needs --contract FILE.toml; `fer-deploy init` writes one"
        )
    return path.with_suffix(".toml")


def write_confidence(file: Path, confidence: Confidence) -> None:
    """Put ``[contract.confidence]`` into a contract's file; everything else in it stays, comments too.

    Raises:
        ContractError: there is no such file, or it is damaged.
        OutputError: it cannot be written.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    wanted = read_toml(file, ContractError, "contract")
    contract_table(wanted, file)["confidence"] = confidence.model_dump(mode="json")
    parse_contract(wanted["contract"], str(file))
    try:
        document = tomlkit.parse(file.read_bytes().decode("utf-8-sig"))
        document["contract"]["confidence"] = wanted["contract"]["confidence"]
        text = tomlkit.dumps(document)
        same = tomllib.loads(text) == wanted
    except (TOMLKitError, tomllib.TOMLDecodeError):
        same = False
    if not same:
        raise ContractError(
            f"{file} is written in a way that a table cannot be added to; write [contract] and its tables one after "
            "the other, each under a header of its own"
        )
    write_atomic(file, text)
