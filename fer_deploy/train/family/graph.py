"""One step as a CUDA graph, so that thousands of small kernels cost no launches; on a CPU the step itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

#: Steps before the capture: cuDNN chooses its algorithms, and lazy state is made.
_WARM_STEPS = 3


def captured(step: Callable[[], None], device: torch.device) -> Callable[[], object]:
    """Return a callable that does what ``step`` does.

    On a GPU ``step`` runs three times and is then captured: it may not wait for the device, copy from the host, or
    draw from another generator than the device's default one; what changes between steps it reads from tensors.
    """
    if device.type != "cuda":
        return step
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(_WARM_STEPS):
            step()
    torch.cuda.current_stream().wait_stream(side)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def side_by_side(parts: Sequence[Callable[[], None]], streams: Sequence[torch.cuda.Stream]) -> None:
    """Run ``parts``, each on one of ``streams`` in turn; one after another where there are none."""
    if not streams:
        for part in parts:
            part()
        return
    main = torch.cuda.current_stream()
    for stream in streams:
        stream.wait_stream(main)
    for index, part in enumerate(parts):
        with torch.cuda.stream(streams[index % len(streams)]):
            part()
    for stream in streams:
        main.wait_stream(stream)


def wait(device: torch.device) -> None:
    """Wait for everything that was asked of ``device``."""
    if device.type == "cuda":
        torch.cuda.synchronize()
