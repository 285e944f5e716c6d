"""What a whole data set holds: every split's images, by class, and what became of them."""

from __future__ import annotations

import typing

import numpy as np
from pydantic import Field

from fer_deploy.contract import InputSpec
from fer_deploy.data.account import Account, account_of
from fer_deploy.data.registry import DatasetSpec, Role, open_dataset
from fer_deploy.errors import DataError
from fer_deploy.frozen import Frozen, Unknown

#: As what images are compared: FER2013's own size, so that FER2013's and FER+'s are compared as they are stored.
COMPARED_AS = InputSpec(height=48, width=48, color="grey", mean=(0.0,), std=(1.0,))
ROLES: tuple[Role, ...] = typing.get_args(Role)


class SplitContents(Frozen):
    """One split that can be read."""

    name: str = Field(description="dataset and split, for people")
    classes: dict[str, int] = Field(description="class to number of images, in the order of the targets")
    account: Account


class Contents(Frozen):
    """A data set, split by split. Two images are the same when they are as grey pixels of 48 x 48."""

    dataset: DatasetSpec
    splits: dict[Role, SplitContents | Unknown] = Field(description="by role; why, where one cannot be read")

    @property
    def problems(self) -> list[str]:
        """Why splits cannot be read, a sentence each."""
        return list(
            dict.fromkeys(split.reason for split in self.splits.values() if isinstance(split, Unknown))
        )


def contents_of(spec: DatasetSpec) -> Contents:
    """Return what the data set holds; a split that cannot be read stands there as Unknown, with the reason."""
    return Contents(dataset=spec, splits={role: _split(spec, role) for role in ROLES})


def _split(spec: DatasetSpec, role: Role) -> SplitContents | Unknown:
    try:
        faces = open_dataset(spec, role, None, COMPARED_AS)
    except DataError as error:
        return Unknown(reason=str(error))
    counts = np.bincount(faces.targets, minlength=len(faces.labels)).tolist()
    return SplitContents(
        name=faces.name,
        classes=dict(zip(faces.labels, counts, strict=True)),
        account=account_of(faces),
    )
