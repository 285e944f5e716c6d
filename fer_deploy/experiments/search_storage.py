"""Where a search keeps its trials: a journal file or a database, and which study in it is this search's."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fer_deploy.errors import ConfigError, OutputError, first_line
from fer_deploy.experiments.search_schema import SearchSpec

if TYPE_CHECKING:
    import optuna

#: The journal in the output folder, where no other storage is named.
JOURNAL = "search.journal"
#: What may change between two calls of one search: how many candidates are asked for, and what only names the file.
_NOT_IN_DIGEST = {"candidates", "random", "name"}
#: How often a database is opened that another process is just making, and the seconds between.
_TRIES, _BETWEEN_TRIES = 5, 1.0


def require_optuna() -> None:
    """Check that Optuna is installed, before anything is made.

    Raises:
        ConfigError: it is not; the message says what adds it.
    """
    try:
        import optuna
    except ImportError:
        raise ConfigError(
            "fer-deploy search is done by Optuna, which is not installed; pip install 'fer-deploy[search]'"
        ) from None
    # it says of every trial what our own lines say
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def study_name(spec: SearchSpec) -> str:
    """Return the name of a search's study: its own, and a digest of all that its figures depend on."""
    table = spec.model_dump(mode="json", exclude=_NOT_IN_DIGEST)
    if spec.limits.latency_ms is None:
        del table["timing"]
    digest = hashlib.sha256(json.dumps(portable(table), sort_keys=True).encode()).hexdigest()
    return f"{spec.name}-{digest[:12]}"


def portable(table: dict[str, Any]) -> dict[str, Any]:
    """Return a search's table as it is on every machine: paths by their last part, the data's not at all."""
    train = dict(table["train"])
    if isinstance(train.get("data"), dict):
        train["data"] = {key: value for key, value in train["data"].items() if key != "path"}
    if isinstance(train.get("init"), str):
        train["init"] = Path(train["init"]).name
    if isinstance(train.get("teacher"), dict):
        models = [Path(str(one)).name for one in train["teacher"].get("models", ())]
        train["teacher"] = train["teacher"] | {"models": models}
    return table | {"train": train}


def open_study(spec: SearchSpec, storage: str, sampler: optuna.samplers.BaseSampler) -> optuna.Study:
    """Return the search's study in ``storage``, made there if it is not.

    Args:
        spec: the search.
        storage: URL of a database (``sqlite:///FILE``, ``postgresql://...``), or path of a journal file.
        sampler: what draws candidates.

    Raises:
        ConfigError: the storage cannot be opened, or holds a search of this name over another space.
    """
    import optuna

    name = study_name(spec)
    with _opened(storage):
        opened = _storage(storage)
        names = optuna.get_all_study_names(opened)
    others = [one for one in names if one != name and re.fullmatch(rf"{spec.name}-[0-9a-f]{{12}}", one)]
    if others:
        raise ConfigError(
            f"storage {shown(storage)} holds search '{spec.name}' with another space, limits or training "
            f"({others[0]}, and this is {name}); use another --storage, or another name in the file"
        )
    directions: list[Literal["minimize", "maximize"]] = ["maximize", "minimize"]
    if spec.estimate is not None:
        directions.append("minimize")
    with _opened(storage):
        return optuna.create_study(
            study_name=name, storage=opened, sampler=sampler, directions=directions, load_if_exists=True
        )


def _storage(storage: str) -> optuna.storages.BaseStorage:
    from optuna.storages import JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend

    if "://" in storage:
        # others may be writing: the driver's own patience ends after five seconds
        patience = {"connect_args": {"timeout": 60}} if storage.startswith("sqlite") else {}
        return _made_by_one(lambda: RDBStorage(storage, engine_kwargs=patience))
    path = Path(storage)
    path.parent.mkdir(parents=True, exist_ok=True)
    return JournalStorage(JournalFileBackend(str(path)))


def _made_by_one(make: Callable[[], optuna.storages.BaseStorage]) -> optuna.storages.BaseStorage:
    """Return what ``make`` gives, tried again where another process makes the same tables at the same moment."""
    from sqlalchemy.exc import IntegrityError, OperationalError

    for left in reversed(range(_TRIES)):
        try:
            return make()
        except (IntegrityError, OperationalError) as error:
            taken = "already exists" in str(error) or isinstance(error, IntegrityError)
            if not taken or left == 0:
                raise
            time.sleep(_BETWEEN_TRIES)
    raise AssertionError("unreachable")


def shown(storage: str) -> str:
    """Return a storage as messages name it: without a password."""
    return re.sub(r"://[^/]*@", "://...@", storage)


@contextlib.contextmanager
def _opened(storage: str) -> Iterator[None]:
    """Turn whatever a driver or a damaged journal raises while it is opened into one sentence."""
    try:
        yield
    except Exception as error:
        # No common class: unknown schemes, absent drivers, refused connections and damaged files each have their own.
        raise ConfigError(
            f"storage {shown(storage)} cannot be opened: {_without_secret(first_line(error))}; give a URL "
            "such as sqlite:///search.db, or the path of a journal file"
        ) from None


@contextlib.contextmanager
def reached(storage: str) -> Iterator[None]:
    """Turn a storage that fails while a search runs into one sentence.

    Raises:
        OutputError: it did.
    """
    from optuna.exceptions import StorageInternalError

    try:
        yield
    except (StorageInternalError, OSError) as error:
        raise OutputError(
            f"storage {shown(storage)} failed: {_without_secret(first_line(error))}; give the same command "
            "again when it can be reached"
        ) from error


def _without_secret(text: str) -> str:
    return re.sub(r"://[^/\s]*@", "://...@", text)
