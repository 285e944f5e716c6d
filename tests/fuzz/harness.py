"""Coverage-guided fuzzing of one kind of file with atheris (libFuzzer).

    python tests/fuzz/harness.py KIND [libFuzzer flags, e.g. -runs=100000 -seed=1]

KIND is configuration, contract, profile, report, artifact or image; ``planted`` has a bug, to see that one is
found. Exits other than 0, the offending bytes left in ``crash-*``, for a traceback or a hang of over ten seconds.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from pathlib import Path

import atheris

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parents[1])]
with atheris.instrument_imports(include=["fer_deploy", "tomllib", "json"]):
    from fer_deploy.errors import FerDeployError
    from fixtures import hostile

#: Seconds that reading one file may take, and the largest file: the report's seed is the longest.
_HANG, _LONGEST = 10, 1 << 17
_SAMPLE_ARTIFACT = hostile.ROOT / "tests" / "apps" / "vectors" / "artifact"


def planted(folder: Path) -> hostile.Kind:  # noqa: ARG001
    """Return a kind whose reader stumbles over two bytes."""

    @atheris.instrument_func
    def read(raw: bytes) -> None:
        if raw[:2] == b"ab":
            raise KeyError("planted")

    return hostile.Kind((b"aa",), read)


def main() -> None:
    """Fuzz what the command line names."""
    name = sys.argv[1]
    with tempfile.TemporaryDirectory() as scratch:
        folder, corpus = Path(scratch) / "files", Path(scratch) / "corpus"
        folder.mkdir()
        corpus.mkdir()
        if name == "artifact":
            kind = hostile.artifact(folder, _SAMPLE_ARTIFACT)
        else:
            kind = planted(folder) if name == "planted" else getattr(hostile, name)(folder)
        for number, seed in enumerate(kind.seeds):
            (corpus / str(number)).write_bytes(seed)

        def one_file(raw: bytes) -> None:
            try:
                kind.read(raw)
            except FerDeployError as error:
                if error.exit_code != 2 or not str(error).strip():
                    raise AssertionError(f"exit code {error.exit_code}, message {str(error)!r}") from error

        warnings.simplefilter("error")
        flags = [f"-timeout={_HANG}", f"-max_len={_LONGEST}", *sys.argv[2:], str(corpus)]
        atheris.Setup([sys.argv[0], *flags], one_file)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
