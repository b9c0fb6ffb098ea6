"""Ten-line stand-ins for the detector, the model and the readers, so that a scan runs without TensorFlow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image

from agebatch.pipeline.tools import Tools
from agebatch.results.schema import Status
from agebatch.settings import ScanSettings

CHIP = 8


def photo(path: str | Path, brightness: int, size: tuple[int, int] = (64, 48)) -> Path:
    """Write a grey picture: its brightness decides how many faces the fake detector sees, and their age."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (brightness,) * 3).save(path)
    return path


class FakeDetector:
    """Sees `brightness % 3` faces, the largest first."""

    def detect(self, batch: list[np.ndarray]) -> list[Any]:
        return [self._faces(picture) for picture in batch]

    def _faces(self, picture: np.ndarray) -> Any:
        count = int(picture[0, 0, 0]) % 3
        height, width = picture.shape[:2]
        boxes = np.array([(2 * i, i, width / (i + 2), height / (i + 2)) for i in range(count)], np.float32)
        boxes = boxes.reshape(-1, 4)
        points = np.tile(np.array([(1, 1), (3, 1), (2, 2), (1, 3), (3, 3)], np.float32), (count, 1, 1))
        scores = np.linspace(0.99, 0.95, count).astype(np.float32)
        return SimpleNamespace(boxes=boxes, scores=scores, points=points, capped=False)


class FakePredictor:
    """The age is a third of the brightness; gender follows its parity. Answers whole batches only."""

    chip = CHIP

    def __init__(self, batch_size: int = 4) -> None:
        self.batch_size = batch_size

    def predict(self, chips: Iterable[np.ndarray]) -> Iterator[Any]:
        batch: list[np.ndarray] = []
        for chip in chips:
            assert chip.shape == (CHIP, CHIP, 3) and chip.dtype == np.uint8
            batch.append(chip)
            if len(batch) == self.batch_size:
                yield from map(self._answer, batch)
                batch = []
        yield from map(self._answer, batch)

    def _answer(self, chip: np.ndarray) -> Any:
        value = float(chip.mean())
        age, female = value / 3, 0.9 if value % 2 < 1 else 0.2
        return SimpleNamespace(age=age, low=age - 5, high=age + 5, female=female)


class FakeReaders:
    """Reads in this process; a name that holds `broken` can't be read."""

    def __init__(self, pre_cropped: bool = False) -> None:
        self.pre_cropped = pre_cropped

    def look(self, todo: Iterable[Any]) -> Iterator[Any]:
        for found in todo:
            yield self._look(found)

    def _look(self, found: Any) -> Any:
        if "broken" in found.path or not Path(found.path).exists():
            return SimpleNamespace(
                found=found, status=Status.UNREADABLE, message="broken", width=None, height=None, preview=None
            )
        with Image.open(found.path) as file:
            picture = file.convert("RGB")
        width, height = picture.size
        small = picture.resize((CHIP, CHIP) if self.pre_cropped else (width // 2, height // 2))
        return SimpleNamespace(
            found=found, status=None, message="", width=width, height=height, preview=np.array(small)
        )

    def cut(self, look: Any, points: np.ndarray, chip: int) -> Any:
        chips = np.full((len(points), chip, chip, 3), look.preview[0, 0, 0], np.uint8)
        return SimpleNamespace(result=lambda: chips)


def fake_tools(settings: ScanSettings) -> Tools:
    """Everything fake."""

    @contextmanager
    def readers() -> Iterator[Any]:
        yield FakeReaders(settings.pre_cropped)

    return Tools(f"fake/{settings.fingerprint('fake')}", readers, FakeDetector, FakePredictor)


def fake_tools_with_real_readers(settings: ScanSettings) -> Tools:
    """Photos are read by real child processes; detector and model are fake."""
    from agebatch.workers import Readers  # noqa: PLC0415 - only some tests start processes

    def readers() -> Readers:
        return Readers(
            settings.workers or 1,
            settings.readers_side,
            settings.max_megapixels,
            settings.timeout,
            pre_cropped=CHIP if settings.pre_cropped else None,
        )

    return Tools(f"fake/{settings.fingerprint('fake')}", readers, FakeDetector, FakePredictor)
