"""Runs one ONNX graph on Qualcomm's HTP library for PCs, and says which nodes the library took.

A process of its own for each job: the library writes to stdout as it likes, and a graph that it cannot compile may end
the process. Needs onnxruntime, onnxruntime-qnn and numpy, and nothing else:

    python htp_runner.py job.json

The job names ``model``, ``inputs`` (.npz; the first axis of every array counts pictures, each is run alone),
``outputs`` (.npz, likewise), ``result`` (JSON: ``refused``, ``placed``, ``seconds``), the provider's ``options``, and
``alone``: whether a node on the CPU is a refusal. Exit codes: 0 done, 2 bad arguments or files, 3 the library refused
the graph.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any


def opened(job: dict[str, Any]) -> Any:
    """Return a session of the job's graph on the HTP library; raises what onnxruntime raises."""
    import onnxruntime
    import onnxruntime_qnn

    onnxruntime.register_execution_provider_library("QNN", onnxruntime_qnn.get_library_path())
    devices = [one for one in onnxruntime.get_ep_devices() if one.ep_name.startswith("QNN")]
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    if job["alone"]:
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    chosen = {"backend_path": onnxruntime_qnn.get_qnn_htp_path(), **job["options"]}
    options.add_provider_for_devices(devices[:1], chosen)
    return onnxruntime.InferenceSession(job["model"], options)


def main(argv: list[str]) -> int:
    """Do the job in the JSON file and return the exit code."""
    import numpy as np

    if len(argv) != 1:
        print("usage: htp_runner.py job.json", file=sys.stderr)
        return 2
    with open(argv[0], encoding="utf-8") as file:  # noqa: PTH123 - one file, no imports to spare
        job = json.load(file)
    result: dict[str, Any] = {"refused": None, "placed": [], "seconds": 0.0}
    try:
        session = opened(job)
    except Exception as error:  # onnxruntime's exception classes have no common public base
        result["refused"] = str(error)
    else:
        result["placed"] = [
            [part.ep_name, node.op_type, node.name]
            for part in session.get_provider_graph_assignment_info()
            for node in part.get_nodes()
        ]
        with np.load(job["inputs"], allow_pickle=False) as inputs:
            feeds = {name: inputs[name] for name in inputs.files}
        names = [output.name for output in session.get_outputs()]
        pictures = len(next(iter(feeds.values()))) if feeds else 0
        began = time.perf_counter()
        given = [
            session.run(names, {name: array[index : index + 1] for name, array in feeds.items()})
            for index in range(pictures)
        ]
        result["seconds"] = time.perf_counter() - began
        if given:
            parts = {name: np.concatenate([one[place] for one in given]) for place, name in enumerate(names)}
            np.savez(job["outputs"], **parts)
    with open(job["result"], "w", encoding="utf-8") as file:  # noqa: PTH123
        json.dump(result, file)
    return 3 if result["refused"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
