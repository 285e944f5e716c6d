"""Side by side: one float network in, int8 files of fer-deploy and of its peers out, one protocol for all.

    build/peers/env/bin/python benchmarks/peers/run.py [--network fer_s] [--rounds 60] [--again]

Writes ``benchmarks/peers/result.json``; ``benchmarks/peers/tables.py --write`` makes the tables of ``docs/peers.md``
of it. Files that are there already in ``build/peers/work`` are taken, with the seconds that they took; ``--again``
makes them anew.
"""

from __future__ import annotations

import datetime
import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from generated import cpu
from peers.figures import Timed, beside, ratio, take_times
from peers.make import CALIBRATION_IMAGES
from peers.opened import bare_bytes, open_file
from peers.results import FILE, Figures, Made, NetworkResult, Result, Row, Timing
from peers.roster import ENTRANTS, NETWORKS, ROOT, Entrant, code_lines, network_model, normalised, versions

import fer_deploy as fd
from fer_deploy.data.faces import Faces
from fer_deploy.data.registry import DatasetSpec, open_dataset
from fer_deploy.errors import first_line
from fer_deploy.files import sha256_of, write_atomic
from fer_deploy.measure.parity import accuracy_figures, parity_figures
from fer_deploy.model import Model, count_parameters
from fer_deploy.progress import say
from fer_deploy.quantize.ptq import float_graph
from fer_deploy.targets.registry import get_target


@click.command()
@click.option("--network", "networks", multiple=True, type=click.Choice(NETWORKS), help="These only.")
@click.option("--rounds", default=60, show_default=True)
@click.option("--again", is_flag=True, help="Make all files anew.")
@click.option("--output", type=click.Path(path_type=Path), default=FILE, show_default=True)
def main(networks: tuple[str, ...], rounds: int, again: bool, output: Path) -> None:
    """Make every file, measure it, and write the result."""
    measured = [_measure(network, rounds, again) for network in networks or NETWORKS]
    result = Result(
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        commit=_git("rev-parse", "--short=12", "HEAD"),
        changed=bool(_git("status", "--porcelain", "--", "fer_deploy")),
        processor=cpu(),
        versions=versions(),
        networks=tuple(measured),
    )
    write_atomic(output, result.model_dump_json(indent=1) + "\n")
    click.echo(f"{output}: {sum(len(one.rows) for one in result.networks)} rows")


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], check=True, capture_output=True, text=True).stdout.strip()


def _measure(network: str, rounds: int, again: bool) -> NetworkResult:
    model = network_model(network)
    contract = model.contract
    test = open_dataset(DatasetSpec(), "test", contract.labels, contract.input)
    plain = float_graph(model).logits(test.pixels, f"{network}, float")
    made = {one.key: _made(network, one, again) for one in ENTRANTS}
    rows: dict[str, Row] = {}
    timings: list[Timing] = []
    for target in dict.fromkeys(one.target for one in ENTRANTS):
        found, timing = _runtime(target, model, test, plain, made, rounds)
        rows |= found
        timings.append(timing)
    worst = max(timings, key=lambda one: one.others_share)
    return NetworkResult(
        name=network,
        parameters=count_parameters(model.network),
        weights_sha256=model.weights_sha256,
        dataset=test.name,
        images=len(test),
        calibration_images=CALIBRATION_IMAGES,
        accuracy=accuracy_figures(plain, test).accuracy,
        timing=worst,
        rows=tuple(rows[one.key] for one in ENTRANTS),
    )


def _made(network: str, one: Entrant, again: bool) -> Made:
    """Return what make.py wrote of an entrant, which is run if it was not yet."""
    folder = ROOT / "work" / network / one.key
    record = folder / "made.json"
    if again or not record.is_file():
        say(f"{network}: {one.name} for {one.target}")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        command = [sys.executable, "-W", "ignore", str(Path(__file__).with_name("make.py"))]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        log = folder / "log.txt"
        with log.open("w", encoding="utf-8") as sink:
            done = subprocess.run(
                [*command, network, one.key, str(folder)],
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=environment,
                check=False,
            )
        if not record.is_file():
            said = log.read_text(encoding="utf-8").strip().splitlines()
            reason = f"ended with {done.returncode}: {said[-1][:300] if said else 'nothing said'}"
            return Made(seconds=0, processor_seconds=0, failure=reason)
    return Made.model_validate_json(record.read_text(encoding="utf-8"))


def _runtime(
    target: str,
    model: Model,
    test: Faces,
    plain: NDArray[np.float32],
    made: dict[str, Made],
    rounds: int,
) -> tuple[dict[str, Row], Timing]:
    """Return the rows of one runtime, its files timed in one run beside fer-deploy's float artifact."""
    pixels = test.pixels.astype(np.float32)
    entrants = [one for one in ENTRANTS if one.target == target]
    opened = get_target(target)
    floating = fd.export(model, target=target, recipe="float")
    sessions: dict[str, Timed] = {"float": Timed(opened.open(floating.file, 1), pixels[:1])}
    files, answers, failures = {}, {}, {}
    for one in entrants:
        file = ROOT / "work" / model.name / one.key / opened.file
        if (reason := made[one.key].failure) is not None:
            failures[one.key] = reason
            continue
        given = pixels if one.ours else normalised(model.contract.input, test.pixels)
        try:
            here = open_file(target, file)
            answers[one.key] = here.answers(given)
        except Exception as error:  # a file that its runtime does not run is the finding
            failures[one.key] = f"{opened.runtime}: {type(error).__name__}: {first_line(error)}"
            continue
        sessions[one.key], files[one.key] = Timed(here.session, here.prepared(given[:1])), file
    say(f"timing {target}")
    times, timing = take_times(sessions, rounds)
    own = next(one.key for one in entrants if one.ours)
    rows = {}
    for one in entrants:
        figures = None
        if one.key in answers:
            parity = parity_figures(plain, answers[one.key], test)
            bare = bare_bytes(files[one.key])
            against = None
            if own in answers and one.key != own:
                sizes = (bare, bare_bytes(files[own]))
                pace = ratio(times[one.key], times[own])
                against = beside(answers[one.key], answers[own], plain, test.targets, sizes, pace)
            figures = Figures(
                bytes=files[one.key].stat().st_size,
                bare_bytes=bare,
                sha256=sha256_of(files[one.key]),
                accuracy=accuracy_figures(answers[one.key], test).accuracy,
                drop=parity.drop,
                agreement=parity.agreement,
                sqnr=parity.sqnr,
                milliseconds=float(np.median(times[one.key])),
                time=ratio(times[one.key], times["float"]),
                beside=against,
            )
        rows[one.key] = Row(
            key=one.key,
            name=one.name,
            target=target,
            lines=code_lines(one.code()),
            seconds=made[one.key].seconds,
            processor_seconds=made[one.key].processor_seconds,
            figures=figures,
            failure=failures.get(one.key),
        )
    return rows, timing


if __name__ == "__main__":
    main()
