"""Every animal of the zoo is read, or has a reason."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from agebatch.images.discovery import Walk, discover
from agebatch.images.reading import Picture, read
from tests import zoo


@pytest.fixture(scope="module")
def animals(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, zoo.Expected]]:
    folder = tmp_path_factory.mktemp("zoo")
    return folder, zoo.make_zoo(folder)


def corners(pixels: np.ndarray) -> np.ndarray:
    """(4, 3): the middle of each quarter of the scene."""
    height, width = zoo.SIZE[1], zoo.SIZE[0]
    rows = np.array([height // 4, height // 4, 3 * height // 4, 3 * height // 4])
    columns = np.array([width // 4, 3 * width // 4] * 2)
    return pixels[rows, columns].astype(int)


def line(name: str, animal: Picture | object) -> str:
    return f"{name!a}: {animal!r:.200}"


def check(name: str, answer: object, expected: zoo.Expected) -> list[str]:
    """The ways in which an answer isn't the expected one."""
    wrong = []
    if expected.status is None:
        if not isinstance(answer, Picture):
            return [line(name, answer)]
        pixels = answer.pixels
        if pixels.dtype != np.uint8 or pixels.shape != (answer.height, answer.width, 3):
            wrong.append(f"{name!a}: {pixels.dtype} {pixels.shape}")
        if expected.coloured and np.abs(corners(pixels) - zoo.CORNERS).max() > 40:
            wrong.append(f"{name!a}: {corners(pixels).tolist()}")
    elif getattr(answer, "status", None) is not expected.status:
        return [line(name, answer)]
    size = None if answer.width is None else (answer.width, answer.height)
    said = expected.message in answer.message and bool(answer.message) == bool(expected.message)
    if size != expected.size or not said:
        wrong.append(f"{line(name, answer.message)} {size}")
    return wrong


def test_every_animal_is_as_expected(animals, capfd):
    folder, expected = animals
    wrong = []
    for name, animal in expected.items():
        wrong += check(name, read(os.path.join(folder, name)), animal)
    assert not wrong, "\n".join(wrong)
    assert capfd.readouterr() == ("", ""), "decoders say nothing"
    assert len(expected) >= 40


def test_every_animal_is_found_or_said_to_be_skipped(animals):
    folder, expected = animals
    skipped: list[str] = []
    found = discover(Walk(paths=(str(folder),)), lambda one: skipped.append(Path(one.path).name))
    names = [Path(one.path).name for one in found]
    assert set(skipped) == zoo.NEVER_FOUND
    assert sorted(names) == sorted(set(expected) - zoo.NEVER_FOUND)
    assert names == sorted(names, key=os.fsencode)


def test_transparent_pixels_are_white(animals):
    folder, _ = animals
    for name in ("alpha.png", "alpha.webp"):
        picture = read(folder / name)
        assert picture.pixels[5, -5].tolist() == [255, 255, 255]
        assert np.abs(corners(picture.pixels[:, : zoo.SIZE[0]]) - zoo.CORNERS).max() < 40


def test_deep_grey_has_the_brightness_of_eight_bits(animals):
    folder, _ = animals
    plain = read(folder / "grey alpha.png").pixels.astype(int)
    for name in ("sixteen bits grey.png", "sixteen bits.tif", "float.tif", "whole numbers.tif"):
        assert np.abs(read(folder / name).pixels - plain).max() <= 1, name


def test_bombs_cost_no_memory(animals):
    folder, _ = animals
    code = """if True:
        import resource, sys
        from agebatch.images.reading import read
        pages = int(open("/proc/self/statm").read().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 300_000_000,) * 2)
        for path in sys.argv[1:]:
            assert read(path).status == "too_large", read(path)
    """
    bombs = [str(path) for path in sorted(folder.glob("bomb.*"))]
    assert len(bombs) == 4
    subprocess.run([sys.executable, "-c", code, *bombs], check=True)


def test_reading_loads_no_tensorflow():
    code = "import sys, agebatch.workers.child; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
