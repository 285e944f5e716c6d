"""Prints which operators an installed LiteRT lacks: ``python litert_operators.py MODEL NAME=VERSION...``.

Run with the path of another ai-edge-litert than the tests' own. Each operator is put in the place of the first of MODEL
and offered to the interpreter, which looks its kernels up when it is made. A process for each: what it does with an
operator without options is its own affair, and only "it is not there" counts.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import flatbuffers
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter


def with_operator(content: bytes, name: str, version: int) -> bytes:
    """Return a model of the given one's first operator alone, of another kind."""
    model = schema.ModelT.InitFromPackedBuf(content)
    (graph,) = model.subgraphs
    (first, *_) = graph.operators
    graph.operators, graph.outputs, model.signatureDefs = [first], first.outputs, []
    first.builtinOptions, first.builtinOptionsType = None, 0
    code = model.operatorCodes[first.opcodeIndex]
    code.builtinCode, code.version = getattr(schema.BuiltinOperator, name), version
    code.deprecatedBuiltinCode = min(code.builtinCode, 127)
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def is_there(content: bytes) -> bool:
    """Return whether the interpreter finds the kernels of a model's operators."""
    child = os.fork()
    if child == 0:
        try:
            Interpreter(model_content=content)
        except (ValueError, RuntimeError) as error:
            os._exit(int("find op" in str(error)))
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def main(model: str, *operators: str) -> None:
    """Print the operators that are not there, one a line."""
    content = Path(model).read_bytes()
    for operator in operators:
        name, version = operator.split("=")
        if not is_there(with_operator(content, name, int(version))):
            print(operator)


if __name__ == "__main__":
    main(*sys.argv[1:])
