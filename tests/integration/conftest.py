"""Real links for the integration tests, and artifacts to send over them. What is missing is skipped loudly."""

from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fer_deploy.data.faces import Faces, one_hot
from fer_deploy.data.fer2013 import FILE_NAME, data_root, load_fer2013
from fer_deploy.devices.runner_build import Bundle, find_runner, host_arch
from fer_deploy.model import Model, load_model
from fer_deploy.quantize.calibration import CalibrationSet
from fer_deploy.quantize.ptq import float_graph, quantize_ptq
from fer_deploy.quiet import quiet
from fer_deploy.targets.artifact import Artifact, write_artifact
from fer_deploy.targets.registry import get_target

ROOT = Path(__file__).resolve().parents[2]
#: Images on which engines are compared.
COUNT = 200


def require_program(name: str, remedy: str) -> str:
    """Return the path of a program, or skip with the command that adds it."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if path is None:
        pytest.skip(f"{name} is not installed; {remedy}")
    return path


@pytest.fixture(scope="session")
def model() -> Model:
    return load_model(ROOT / "models" / "fer_s")


@pytest.fixture(scope="session")
def images(model: Model) -> NDArray[np.uint8]:
    """200 test faces where the data is, else 200 smooth random pictures: uint8 (N, C, H, W)."""
    spec = model.contract.input
    if (data_root() / FILE_NAME).is_file():
        pixels: NDArray[np.uint8] = load_fer2013("PrivateTest", spec, "ferplus").pixels[:COUNT]
        return pixels
    generator = np.random.default_rng(1)
    pictures = []
    for _ in range(COUNT):
        coarse = Image.fromarray(generator.integers(0, 256, (6, 6), dtype=np.uint8))
        pictures.append(np.asarray(coarse.resize((spec.width, spec.height), Image.Resampling.BICUBIC)))
    return np.stack(pictures)[:, None].repeat(spec.channels, axis=1)


@pytest.fixture(scope="session")
def artifacts(
    model: Model, images: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Artifact]:
    """The float and the int8 artifact of ExecuTorch and ONNX by their keys."""
    with quiet():  # warns of its own imports, once
        import executorch.exir  # noqa: F401
    folder = tmp_path_factory.mktemp("dist")
    labels = model.contract.labels
    targets = np.arange(64, dtype=np.int64) % len(labels)
    faces = Faces(
        "calibration pictures",
        labels,
        images[:64],
        targets,
        one_hot(targets, len(labels)),
        np.arange(64, dtype=np.int64),
        np.zeros(64, dtype=bool),
    )
    found = {}
    for graph in (float_graph(model), quantize_ptq(model, CalibrationSet(faces, 0))):
        for target in ("executorch", "onnx"):
            goal = folder / f"{target}-{graph.recipe.name}"
            artifact, _ = write_artifact(get_target(target), graph, goal, model.name, model.weights_sha256)
            found[artifact.key] = artifact
    return found


@pytest.fixture(scope="session")
def host_runner() -> Bundle:
    """The C++ runner for this machine."""
    found = find_runner(host_arch())
    if found is None:
        pytest.skip("the C++ runner is not built; build it: fer-deploy build-runner")
    return found


@dataclass(frozen=True)
class SshLab:
    """A running sshd: the ssh configuration with the alias ``pi``, and the login folder."""

    config: Path
    home: Path


@pytest.fixture
def ssh_lab(tmp_path: Path) -> Iterator[SshLab]:
    """A real sshd on a free port of 127.0.0.1, with keys of its own; logs in as this user, into ``tmp_path``."""
    sshd = require_program("sshd", "apt-get install openssh-server")
    keygen = require_program("ssh-keygen", "apt-get install openssh-client")
    require_program("scp", "apt-get install openssh-client")
    lab, home = tmp_path / "sshd", tmp_path / "home"
    lab.mkdir(mode=0o700)
    home.mkdir(mode=0o700)
    for name in ("host_key", "user_key"):
        subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(lab / name)], check=True)
    shutil.copy(lab / "user_key.pub", lab / "authorized_keys")
    port = free_port()
    (lab / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {lab}/host_key\nAuthorizedKeysFile {lab}/authorized_keys\n"
        f"PidFile {lab}/sshd.pid\nStrictModes no\nPasswordAuthentication no\nUsePAM no\nPermitRootLogin yes\n"
        f"SetEnv HOME={home} PATH={Path(sys.executable).parent}:/usr/bin:/bin\n"
        f'ForceCommand cd {home} && exec sh -c "$SSH_ORIGINAL_COMMAND"\n'  # sftp-server starts there too
        "Subsystem sftp /usr/lib/openssh/sftp-server\n"
    )
    known = f"[127.0.0.1]:{port} {(lab / 'host_key.pub').read_text()}"
    (lab / "known_hosts").write_text(known)
    (lab / "config").write_text(
        f"Host pi\n  HostName 127.0.0.1\n  Port {port}\n  User {getpass.getuser()}\n"
        f"  IdentityFile {lab}/user_key\n  IdentitiesOnly yes\n  UserKnownHostsFile {lab}/known_hosts\n"
    )
    Path("/run/sshd").mkdir(exist_ok=True)  # privilege separation; Debian's sshd will not start without
    with (lab / "log").open("w") as log:
        server = subprocess.Popen([sshd, "-D", "-e", "-f", str(lab / "sshd_config")], stderr=log)
    try:
        wait_for(lambda: _listens(port), "sshd", lab / "log")
        yield SshLab(lab / "config", home)
    finally:
        server.terminate()
        server.wait(timeout=10)


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(ready: Callable[[], bool], what: str, log: Path) -> None:
    """Return when ``ready``; fail with the server's log after 20 s."""
    for _ in range(200):
        if ready():
            return
        time.sleep(0.1)
    pytest.fail(f"{what} did not start: {log.read_text()}")


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
