"""Real links for the integration tests, and artifacts to send over them. What is missing is skipped loudly."""

from __future__ import annotations

import getpass
import os
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
import torch
from numpy.typing import NDArray
from PIL import Image

from fer_deploy.data.faces import Faces, one_hot
from fer_deploy.data.fer2013 import FILE_NAME, data_root, load_fer2013
from fer_deploy.devices.runner_build import Bundle, cache_folder, find_runner, host_arch
from fer_deploy.model import Model, load_model
from fer_deploy.quantize.calibration import CalibrationSet
from fer_deploy.quantize.ptq import float_graph, quantize_ptq
from fer_deploy.quiet import quiet
from fer_deploy.targets.artifact import Artifact, open_artifact, write_artifact
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
    """The float and the int8 artifact of ExecuTorch and ONNX by their keys.

    FER_DEPLOY_TEST_ARTIFACTS names a folder of ones exported earlier, which saves a minute.
    """
    made = os.environ.get("FER_DEPLOY_TEST_ARTIFACTS")
    if made:
        return {one.key: one for one in map(open_artifact, sorted(Path(made).iterdir()))}
    torch.set_num_threads(1)
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


class AdbLab:
    """A network namespace with an adb server in it, to which pretended phones are plugged in and out."""

    def __init__(self, scratch: Path, cache: Path) -> None:
        self._scratch, self._cache = scratch, cache
        self._phones: dict[int, subprocess.Popen[bytes]] = {}
        self._log = (scratch / "adb.log").open("w")
        self.program = scratch / "adb"
        self._server = subprocess.Popen(
            ["unshare", "-n", "sh", "-c", 'ip link set lo up; exec "$1" nodaemon server', "-", self._adb],
            env=self._environment(), stdout=self._log, stderr=self._log,
        )  # fmt: skip
        self.program.write_text(
            f'#!/bin/sh\nHOME={scratch} exec nsenter --net=/proc/{self._server.pid}/ns/net {self._adb} "$@"\n'
        )
        self.program.chmod(0o755)
        wait_for(lambda: self.adb("devices").returncode == 0, "the adb server", scratch / "adb.log")

    @property
    def _adb(self) -> str:
        return str(self._cache / "adb" / "bin" / "adb")

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "HOME": str(self._scratch)}

    def adb(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([str(self.program), *words], capture_output=True, text=True, check=False)

    def plug(
        self, port: int = 5555, storage: str = "64m", model: str = "Pixel 8", machine: str | None = None
    ) -> str:
        """Start a phone and return its serial number."""
        scratch = self._scratch / f"phone-{port}-{time.monotonic_ns()}"
        scratch.mkdir()
        script = Path(__file__).with_name("adb_phone.sh")
        self._phones[port] = subprocess.Popen(
            ["nsenter", f"--net=/proc/{self._server.pid}/ns/net", "unshare", "-m", "-p", "-f", "--mount-proc",
             "--kill-child", "sh", str(script), str(self._cache), str(scratch), str(port), storage, model,
             machine or os.uname().machine],
            env=self._environment(), stdout=self._log, stderr=self._log,
        )  # fmt: skip
        serial = f"127.0.0.1:{port}"

        def up() -> bool:
            self.adb("connect", serial)
            return self.adb("-s", serial, "shell", "true").returncode == 0

        wait_for(up, "adbd", self._scratch / "adb.log")
        return serial

    def unplug(self, port: int = 5555) -> None:
        """Kill a phone's adbd with everything that runs on the phone."""
        phone = self._phones.pop(port)
        phone.kill()
        phone.wait(timeout=10)

    def storage(self, serial: str = "127.0.0.1:5555") -> list[str]:
        """Return what lies in the phone's folder for adb."""
        return self.adb("-s", serial, "shell", "ls -A /data/local/tmp").stdout.split()

    def close(self) -> None:
        for port in list(self._phones):
            self.unplug(port)
        self._server.terminate()
        self._server.wait(timeout=10)
        self._log.close()


@pytest.fixture
def adb_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AdbLab]:
    """A real adb server in a network namespace of its own; the transport uses the client inside it."""
    for name in ("unshare", "nsenter", "ip"):
        require_program(name, "apt-get install util-linux iproute2")
    if os.geteuid() != 0:
        pytest.skip("an isolated adbd needs root for its namespaces; run as root")
    if not (cache_folder() / "adb" / "bin" / "adbd").exists():
        pytest.skip("no adbd in the cache folder; run tests/integration/setup_adbd.sh")
    scratch = tmp_path / "adb-lab"
    scratch.mkdir()
    lab = AdbLab(scratch, cache_folder())
    monkeypatch.setenv("FER_DEPLOY_ADB", str(lab.program))
    monkeypatch.delenv("ANDROID_SERIAL", raising=False)
    try:
        yield lab
    finally:
        lab.close()
