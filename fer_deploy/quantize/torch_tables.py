"""Tables of operators that torch makes anew on every export, made once for a process.

torch 2.13 looks up every composite operator by name, some 40 times per decomposition
(``torch._export.utils._materialize_cpp_cia_ops``; its comment says why it is not cached: operators can be registered
later, which is asked here), and its ONNX exporter builds the registry of all translations on each call
(``ONNXRegistry.from_torchlib``). Together a sixth of what six artifacts of a small network take. Both results are what
they would have been; where torch has neither name any more, it is left alone.

Every operation of a graph also keeps where it comes from, pass by pass, and every pass copies all histories
(``torch.fx.traceback.NodeSource``): a tenth of what lowering to ExecuTorch takes. Nobody changes an entry once it is
made, so copies share them.
"""

from __future__ import annotations

import functools
from typing import Any


@functools.cache
def remember() -> None:
    """Have this process make the tables once; calls after the first do nothing."""
    _composite_operators()
    _onnx_translations()
    _shared_sources()


def _shared_sources() -> None:
    from torch.fx import traceback

    source: Any = getattr(traceback, "NodeSource", None)
    if source is not None:
        source.__deepcopy__ = lambda self, _: self


def _composite_operators() -> None:
    import torch
    import torch._export.utils as home

    original = getattr(home, "_materialize_cpp_cia_ops", None)
    if original is None:
        return
    seen: list[str] = []

    def materialize() -> None:
        names = torch._C._dispatch_get_registrations_for_dispatch_key("CompositeImplicitAutograd")
        if names != seen:
            original()
            seen[:] = names

    home._materialize_cpp_cia_ops = materialize


def _onnx_translations() -> None:
    import torch
    from torch.onnx._internal.exporter import _registration

    home: Any = _registration
    registry_type = home.ONNXRegistry
    original = registry_type.__dict__.get("from_torchlib")
    if original is None:
        return

    @functools.lru_cache(maxsize=2)
    def made(opset_version: int, _: frozenset[str]) -> Any:
        return original.__func__(registry_type, opset_version)

    def from_torchlib(cls: Any, opset_version: int = home._constants.TORCHLIB_OPSET) -> Any:
        registry = cls()
        # operators that a library registers later, as torchao does with the quantized ones, have translations then
        kept = made(opset_version, frozenset(torch._C._dispatch_get_all_op_names()))
        registry._opset_version = kept._opset_version
        # the caller may add to it
        registry.functions = {name: list(metas) for name, metas in kept.functions.items()}
        return registry

    registry_type.from_torchlib = classmethod(from_torchlib)
