"""Real links for the integration tests, and artifacts to send over them. What is missing is skipped loudly."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from fer_deploy.data.calibration_images import synthetic_faces  # type: ignore[import-not-found]
