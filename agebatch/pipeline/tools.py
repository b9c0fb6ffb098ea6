"""The real things behind the stages: child processes, detector and model, loaded when they are needed."""

# ruff: noqa: PLC0415 - TensorFlow is loaded only where there is something to compute

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from agebatch.errors import ModelError
from agebatch.model.package import load, models_dir
from agebatch.pipeline.hush import hushed
from agebatch.settings import ScanSettings, cores


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
    """The installed detector, the chosen model, and processes that read; TensorFlow isn't loaded yet.

    Raises:
        ModelError: the model's folder, or the detector's, is missing, damaged or not ours.
    """
    package = load(settings.model)
    detector_folder = models_dir() / "detector"
    try:
        card = (detector_folder / "card.json").read_bytes()
    except OSError as error:
        raise ModelError(f"the detector is missing: {error}", "install agebatch again") from error
    weights = package.fingerprint + hashlib.sha256(card).hexdigest()
    loading = threading.Lock()  # two threads want TensorFlow; the device must be chosen before either uses it

    def readers() -> AbstractContextManager[Any]:
        from agebatch.workers import Readers

        return Readers(
            settings.workers or cores(),
            settings.readers_side,
            settings.max_megapixels,
            settings.timeout,
            pre_cropped=package.chip if settings.pre_cropped else None,
            wanted_side=None if settings.min_face is None else settings.preview_side,
        )

    def detector() -> Any:
        with loading, hushed():
            from agebatch.model import devices

            device = devices.choose(settings.device, settings.precision, one_thread_each=True)
            from agebatch.faces.detector import Mtcnn

            return Mtcnn.load(
                detector_folder,
                min_face=settings.detector_min_face,
                min_score=settings.min_score,
                max_faces=settings.max_faces,
                lanes=devices.lanes(device, cores()),
            )

    def predictor() -> Any:
        with loading, hushed():
            from agebatch.model.predictor import Predictor

            # On a CPU half of the cores are enough: a chip is predicted in less time than its photo is read.
            return Predictor(
                package, settings.batch_size, settings.device, settings.precision, max(1, cores() // 2)
            )

    return Tools(f"{package.name}/{settings.fingerprint(weights)}", readers, detector, predictor)
