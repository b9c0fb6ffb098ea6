"""`agebatch bench`: where the time of a scan goes on this machine.

Each stage is measured alone, one after the other, and then a whole scan, in which they overlap. The scan is
compared with the decode ceiling: the same files decoded at the same reduction by as many processes, and nothing else.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

import agebatch
from agebatch import console
from agebatch.errors import InputError
from agebatch.images.discovery import Found, Walk, discover
from agebatch.pipeline import timing
from agebatch.pipeline.chain import PREVIEWS
from agebatch.pipeline.hush import hushed
from agebatch.pipeline.rows import Located, in_original
from agebatch.pipeline.tools import Tools, real_tools
from agebatch.results.atomic import AtomicFile
from agebatch.results.files import open_writer, read_rows
from agebatch.settings import AUTO_SIDE, BenchSettings, ScanSettings, cores
from agebatch.workers import Readers

ALONE = 48  # photographs of which each stage alone is measured; their previews are held in memory


@dataclass
class Spent:
    """Seconds on the clock, and of processor time in this process and its children."""

    wall: float = 0.0
    cpu: float = 0.0


@dataclass
class Measured:
    """One set of photographs. Rates are per second of the clock."""

    photos: str
    images: int
    faces: int = 0
    megabytes: float = 0.0
    stages: dict[str, Spent] = field(default_factory=dict)  # each alone, for all images
    candidates: list[float] = field(default_factory=list)  # per image: windows, proposals, refined
    ceiling: Spent = field(default_factory=Spent)
    scan: Spent = field(default_factory=Spent)

    def summary(self, cores: int) -> dict[str, Any]:
        """The figures that follow from what was measured."""
        return {
            "images_per_second": self.images / self.scan.wall,
            "faces_per_second": self.faces / self.scan.wall,
            "cpu_utilisation": self.scan.cpu / (self.scan.wall * cores),
            "ceiling_images_per_second": self.images / self.ceiling.wall,
            "share_of_ceiling": self.ceiling.wall / self.scan.wall,
        }


def run(
    settings: BenchSettings,
    scan: Callable[..., None],
    make_tools: Callable[[ScanSettings], Tools] = real_tools,
) -> None:
    """Measure and show.

    Args:
        settings: what was asked for.
        scan: `agebatch.commands.scan.run`.
        make_tools: gives the detector, the model and the processes that read.

    Raises:
        InputError: there is no photograph.
        OutputError: the JSON can't be written.
        ModelError: see `real_tools`.
    """
    with tempfile.TemporaryDirectory(prefix="agebatch-bench-") as folder:
        sets = dict(_sets(settings, Path(folder)))
        base = ScanSettings(("x",), str(Path(folder) / "report.csv"), workers=settings.workers)
        tools = make_tools(base)
        start, detector, predictor = _start_up(tools)
        workers = settings.workers or cores()
        warm = replace(tools, detector=lambda: detector, predictor=lambda: predictor)
        before = _traces(detector, predictor)
        measured = []
        only_decode = Readers(workers, base.readers_side, decoder=timing.decode_only)
        with only_decode as bare, tools.readers() as real:
            for name, found in sets.items():
                console.note(f"measuring {console.count(len(found), 'photograph')}: {name}")
                measured.append(_measure(name, found, base, warm, scan, _Two(bare, real)))
        after = _traces(detector, predictor)
    answer = _answer(start, measured, before, after, workers)
    _show(answer)
    if after != before:
        console.warn(f"graphs were traced again after the warm-up: {before} became {after}")
    _write(answer, settings.json)


@dataclass(frozen=True)
class _Two:
    """Processes that only decode, and the scan's own."""

    bare: Any
    real: Any


def _sets(settings: BenchSettings, folder: Path) -> Iterator[tuple[str, list[Found]]]:
    if settings.photos:
        yield "your photographs", _found(settings.photos)
        return
    for name, size in timing.SIZES.items():
        place = folder / name
        timing.make_photographs(place, size, settings.count)
        yield name, _found((str(place),))


def _found(paths: Sequence[str]) -> list[Found]:
    found = list(discover(Walk(paths=tuple(paths))))
    if not found:
        raise InputError(
            f"no photograph found in {', '.join(paths)}", "leave PHOTOS out: bench makes its own"
        )
    return found


def _start_up(tools: Tools) -> tuple[dict[str, Spent], Any, Any]:
    spent: dict[str, Spent] = {}
    with _timed(spent, "import TensorFlow"):
        _import_tensorflow()
    with _timed(spent, "load the detector"):
        detector = tools.detector()
    with _timed(spent, "load the model"):
        predictor = tools.predictor()
    with _timed(spent, "warm the graphs up"):
        detector.detect([np.zeros((AUTO_SIDE * 3 // 4, AUTO_SIDE, 3), np.uint8)] * PREVIEWS)
        list(predictor.predict([np.zeros((predictor.chip, predictor.chip, 3), np.uint8)]))
    return spent, detector, predictor


def _import_tensorflow() -> None:
    with hushed():
        import tensorflow  # noqa: F401, PLC0415


def _traces(detector: Any, predictor: Any) -> dict[str, int]:
    return {"detector": getattr(detector, "traces", 0), "predictor": getattr(predictor, "traces", 0)}


def _measure(
    name: str, found: list[Found], base: ScanSettings, tools: Tools, scan: Callable[..., None], readers: _Two
) -> Measured:
    result = Measured(name, len(found), megabytes=sum(one.size for one in found) / 1e6)
    spent: dict[str, Spent] = {}
    for kind in (readers.bare, readers.real):
        list(kind.look(found[:8]))  # the processes are up before the clock runs
    with _timed(spent, "ceiling"):
        for _ in readers.bare.look(found):
            pass
    _warm(found, tools, readers.real)
    listed = Path(base.output).with_name("files.txt")
    listed.write_bytes(b"\0".join(os.fsencode(one.path) for one in found) + b"\0")
    settings = replace(base, paths=(), files_from=str(listed), fresh=True)
    with console.silent(), _timed(spent, "scan"):
        scan(settings, lambda _: replace(tools, readers=lambda: nullcontext(readers.real)))
    result.ceiling, result.scan = spent["ceiling"], spent["scan"]
    rows = list(read_rows(base.output))
    result.faces = sum(row["face"] is not None for row in rows)
    with _timed(result.stages, "write the report"), open_writer(base.output) as report:
        report.write(rows)
    _each_alone(result, found[:ALONE], tools, readers.real)
    return result


def _warm(found: list[Found], tools: Tools, readers: Any) -> None:
    """Let the kernels see pictures of these sizes once: a real scan has thousands of them."""
    looks = [look for look in readers.look(found[: 2 * PREVIEWS]) if look.preview is not None]
    _detected(tools.detector(), looks)


def _detected(detector: Any, looks: list[Any]) -> list[Any]:
    """The faces of every look, found in batches as a scan finds them."""
    faces: list[Any] = []
    for first in range(0, len(looks), PREVIEWS):
        faces += detector.detect([look.preview for look in looks[first : first + PREVIEWS]])
    return faces


def _each_alone(result: Measured, found: list[Found], tools: Tools, readers: Any) -> None:
    """One stage after the other, nothing overlapping, scaled to all images of the set."""
    detector, predictor, spent = tools.detector(), tools.predictor(), {}
    stages = getattr(detector, "stages", np.zeros(0))
    before = np.array(stages)
    with _timed(spent, "read, decode and reduce"):
        looks = [look for look in readers.look(found) if look.preview is not None]
    with _timed(spent, "detect"):
        faces = _detected(detector, looks)
    result.candidates = ((np.array(stages) - before) / max(len(looks), 1)).tolist()
    if hasattr(detector, "until"):
        spent |= _within_detection(detector, looks, spent["detect"])
    with _timed(spent, "cut chips"):
        handles = [
            readers.cut(look, _points(look, of), predictor.chip)
            for look, of in zip(looks, faces, strict=True)
            if len(of.boxes)
        ]
        chips = [chip for handle in handles for chip in handle.result()]
    with _timed(spent, "predict"):
        for _ in predictor.predict(chips):
            pass
    factor = result.images / len(found)
    alone = {name: Spent(each.wall * factor, each.cpu * factor) for name, each in spent.items()}
    result.stages = {**alone, **result.stages}


def _within_detection(detector: Any, looks: list[Any], whole: Spent) -> dict[str, Spent]:
    """What each network costs: the whole up to it, less the whole up to the one before."""
    names = ("scale and pack", "first network", "second network", "third network")
    sums: list[Spent] = []
    for stage in range(3):
        shorter, spent = detector.until(stage), {}
        for name in ("to warm up", "counted"):
            with _timed(spent, name):
                _detected(shorter, looks)
        sums.append(spent["counted"])
    steps = zip(names, [Spent(), *sums], [*sums, whole], strict=True)
    return {f"· {name}": Spent(now.wall - before.wall, now.cpu - before.cpu) for name, before, now in steps}


def _points(look: Any, faces: Any) -> np.ndarray:
    height, width = look.preview.shape[:2]
    located = Located(faces.boxes, faces.scores, faces.points, faces.capped)
    return in_original(located, (width, height), (look.width, look.height)).points


@contextmanager
def _timed(spent: dict[str, Spent], name: str) -> Iterator[None]:
    wall, cpu = time.perf_counter(), _processor_time()
    yield
    spent[name] = Spent(time.perf_counter() - wall, _processor_time() - cpu)


def _processor_time() -> float:
    """Seconds of this process and its living children; only of this process where there is no /proc."""
    total, tick = time.process_time(), os.sysconf("SC_CLK_TCK")
    for listing in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):
            for pid in listing.read_text().split():
                with suppress(OSError):
                    behind_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                    total += (int(behind_name[11]) + int(behind_name[12])) / tick
    return total


def _answer(
    start: dict[str, Spent],
    measured: list[Measured],
    before: dict[str, int],
    after: dict[str, int],
    workers: int,
) -> dict[str, Any]:
    return {
        "agebatch": agebatch.__version__,
        "cores": cores(),
        "reading_processes": workers,
        "start_up": {name: asdict(spent) for name, spent in start.items()},
        "traces": {"after_warm_up": before, "at_the_end": after},
        "sets": [{**asdict(one), **one.summary(cores())} for one in measured],
    }


def _show(answer: dict[str, Any]) -> None:
    rows = [(name, f"{spent['wall']:.2f}") for name, spent in answer["start_up"].items()]
    total = sum(spent["wall"] for spent in answer["start_up"].values())
    console.table([*rows, ("in all", f"{total:.2f}")], ("start-up", "seconds"))
    sets = answer["sets"]
    names = list(sets[0]["stages"])
    alone = [
        (
            name,
            *(
                f"{1000 * one['stages'][name][kind] / one['images']:.1f}"
                for one in sets
                for kind in ("wall", "cpu")
            ),
        )
        for name in names
    ]
    heads = [f"{one['photos']}: {kind}" for one in sets for kind in ("ms", "ms of a core")]
    console.table(alone, ("each stage alone, per image", *heads))
    lines = [
        ("images; faces", lambda one: f"{one['images']}; {one['faces']}"),
        ("megabytes per image", lambda one: f"{one['megabytes'] / one['images']:.2f}"),
        ("scan: images per second", lambda one: f"{one['images_per_second']:.1f}"),
        ("scan: faces per second", lambda one: f"{one['faces_per_second']:.1f}"),
        ("scan: processor in use", lambda one: f"{one['cpu_utilisation']:.0%}"),
        ("decode ceiling: images per second", lambda one: f"{one['ceiling_images_per_second']:.1f}"),
        ("scan's share of the ceiling", lambda one: f"{one['share_of_ceiling']:.2f}"),
        (
            "windows; proposals; refined, per image",
            lambda one: "; ".join(f"{n:.0f}" for n in one["candidates"]),
        ),
    ]
    table = [(name, *(cell(one) for one in sets)) for name, cell in lines]
    console.table(table, ("whole scan, stages overlapping", *(one["photos"] for one in sets)))
    console.note(
        f"{answer['cores']} cores, {answer['reading_processes']} reading processes; graphs traced"
        f" {answer['traces']['at_the_end']} times (after the warm-up {answer['traces']['after_warm_up']})"
    )


def _write(answer: dict[str, Any], target: str | None) -> None:
    text = json.dumps(answer, indent=2) + "\n"
    if target == "-":
        console.data(text)
    elif target:
        with AtomicFile(target) as file:
            file.file.write(text.encode())
