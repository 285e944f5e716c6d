"""LiteRT's interpreter for Linux, behind the stand-in for its Java: one image after another, until the input ends.

python3 interpreter.py MODEL THREADS true|false

Answers first with a text, empty unless the model is refused, and then with the two tensors, as Java's DataInputStream
reads them; then with float32 logits to float32 pixels.
"""

from __future__ import annotations

import struct
import sys
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

_TYPES = ("FLOAT32", "INT32", "UINT8", "INT8")


def _text(text: str) -> bytes:
    content = text.encode()
    return struct.pack(">H", len(content)) + content


def _tensor(details: dict[str, Any]) -> bytes:
    name = np.dtype(details["dtype"]).name.upper()
    shape = [int(size) for size in details["shape"]]
    return _text(name if name in _TYPES else "OTHER") + struct.pack(f">{len(shape) + 1}i", len(shape), *shape)


def main(model: str, threads: str, xnnpack: str) -> None:
    """Run the model on what comes in."""
    out = sys.stdout.buffer
    kernels = OpResolverType.AUTO if xnnpack == "true" else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    try:
        interpreter = Interpreter(model, num_threads=int(threads), experimental_op_resolver_type=kernels)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        out.write(_text(" ".join(str(error).split())[:1000]))
        return
    (source,), (goal,) = interpreter.get_input_details(), interpreter.get_output_details()
    out.write(_text("") + _tensor(source) + _tensor(goal))
    out.flush()
    size = 4 * int(np.prod(source["shape"]))
    while len(pixels := sys.stdin.buffer.read(size)) == size:
        interpreter.set_tensor(source["index"], np.frombuffer(pixels, np.float32).reshape(source["shape"]))
        interpreter.invoke()
        out.write(interpreter.get_tensor(goal["index"]).astype(np.float32).tobytes())
        out.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
