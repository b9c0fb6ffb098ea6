"""The real things behind the stages: child processes, detector and model, loaded when they are needed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from agebatch.settings import ScanSettings


@dataclass(frozen=True)
class Tools:
    """What a scan works with; `readers`, `detector` and `predictor` are started only if there is work.

    `model` is what rows carry: the model's name and the fingerprint of settings and weights.
    """

    model: str
    readers: Callable[[], AbstractContextManager[Any]]
    detector: Callable[[], Any]
    predictor: Callable[[], Any]


def real_tools(settings: ScanSettings) -> Tools:
    """The installed detector, the chosen model, and processes that read.

    Raises:
        ModelError: the model's folder is missing, damaged or not ours.
    """
    raise NotImplementedError
