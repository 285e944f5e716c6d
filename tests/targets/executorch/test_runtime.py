"""The runtime comes without the compiler, and does not stand in its way."""

from __future__ import annotations

import subprocess
import sys

_BOTH = """
import sys
from fer_deploy.targets.executorch.runtime import runtime
first = runtime()
loaded = [name for name in sys.modules if name.startswith("executorch.exir") or name.startswith("torchao")]
assert not loaded, loaded
from fer_deploy.quiet import quiet
with quiet():
    import executorch.exir
    import executorch.exir._warnings
assert callable(executorch.exir.to_edge_transform_and_lower)
assert issubclass(executorch.exir._warnings.ExperimentalWarning, DeprecationWarning)
before = executorch.exir
assert runtime() is first
import executorch.exir as after
assert before is after, "a compiler that is there stays"
"""


def test_the_compiler_is_not_imported_and_can_be_afterwards() -> None:
    subprocess.run([sys.executable, "-c", _BOTH], check=True, timeout=300)
