"""What folders, columns and files are called: which class and which split a word stands for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from fer_deploy.data.fer2013 import FER2013_LABELS, SPLITS, Split
from fer_deploy.errors import DataError

#: Other words for FER2013's classes that copies of it use; FER+'s own are among them.
_OTHER_WORDS = {
    "anger": "angry", "disgusted": "disgust", "fearful": "fear", "happiness": "happy", "sadness": "sad",
    "surprised": "surprise",
}  # fmt: skip
#: Names of splits in lower case; "test" may be either of the two, or both in one.
SPLIT_WORDS: Mapping[str, Split | None] = MappingProxyType(
    {
        "train": "Training", "training": "Training",
        "val": "PublicTest", "valid": "PublicTest", "validation": "PublicTest", "publictest": "PublicTest",
        "privatetest": "PrivateTest",
        "test": None,
    }
)  # fmt: skip
_FILE_NAME = re.compile(r"(Training|PublicTest|PrivateTest)_")


def emotion_of(word: str) -> int | None:
    """Return the number, 0 to 6, of the class that ``word`` names in any case; None where it names none."""
    plain = word.strip().lower()
    label = _OTHER_WORDS.get(plain, plain)
    return FER2013_LABELS.index(label) if label in FER2013_LABELS else None


def split_in_name(path: str) -> Split | None:
    """Return the split that a file's name begins with, as in ``PublicTest_123.jpg``; None without one."""
    found = _FILE_NAME.match(Path(path).name)
    return next((split for split in SPLITS if found and found[1] == split), None)


def split_of(word: str, path: str, where: str) -> Split | None:
    """Return the split of an image that a folder or column puts into ``word``, one of :data:`SPLIT_WORDS`.

    None is for an image of "test" whose file name does not say which of the two.

    Raises:
        DataError: the file's name, ``path``, speaks of another split; ``where`` names the image.
    """
    said, named = SPLIT_WORDS[word], split_in_name(path)
    if said is None and named == "Training":
        said = "PrivateTest"  # only to be refused below
    if said is not None and named is not None and said != named:
        raise DataError(f"{where} is of '{word}' but is named after {named}; put it where it belongs")
    return said or named


def settled(splits: Sequence[Split | None], source: str) -> tuple[list[Split], list[str], bool]:
    """Return the splits with every unknown one decided, what was decided, and whether PrivateTest holds both tests.

    Images of a "test" that no name divides are PrivateTest: what they are beside a validation split, and else the
    one way to lose none. ``source`` is named in what is said.
    """
    unknown = sum(split is None for split in splits)
    chosen: list[Split] = [split or "PrivateTest" for split in splits]
    if not unknown or "PublicTest" in splits:
        said = f"{unknown:,} images of 'test' in {source} have no split in their names and became PrivateTest"
        return chosen, [said] if unknown else [], False
    note = (
        f"the split of {unknown:,} images of 'test' in {source} cannot be known: PublicTest and PrivateTest are one "
        "there; all became PrivateTest and PublicTest is empty, so that figures are of both tests, and training, "
        f"which selects on PublicTest, cannot use it; '--dataset folder --data {source}' holds out a tenth instead"
    )
    return chosen, [note], "PrivateTest" not in splits
