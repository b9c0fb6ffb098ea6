"""What a scan is asked to do: one frozen, validated value. The defaults of the command live here only."""

from __future__ import annotations

import hashlib
import json
import math
import os
from dataclasses import dataclass
from pathlib import Path

from agebatch.errors import UsageError

AUTO_SHARE = 0.04  # of the longer side: the smallest face looked for when nothing is said
AUTO_PIXELS = 20  # …and never smaller than this, in pixels of the upright original
AUTO_SIDE = 640  # the picture that the detector sees then has a longer side from this to twice this
SMALLEST_SEEN = 24  # pixels of the reduced picture that the smallest face must span
LEAST_SEEN = 12  # pixels: no window of the detector is smaller
LEAST_SCORE = 0.8  # of a face that comes out of the detector's last stage
LARGEST_SIDE = 2048  # the detector never sees more than this
ROWS_VERSION = 2  # raise it when the same photo and settings give other rows: reports are computed anew

OUTPUT_SUFFIXES = (".csv", ".parquet", ".jsonl")
DEVICES = ("auto", "cpu", "gpu")
PRECISIONS = ("auto", "float32", "mixed")
SIDECARS = ("xmp",)


def cores() -> int:
    """How many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))  # what this process may use, as under taskset or in a container
    except AttributeError:
        return os.cpu_count() or 1


@dataclass(frozen=True)
class ScanSettings:
    """Everything `agebatch scan` can be told. Raises UsageError when a value makes no sense.

    `min_face` is in pixels of the upright original; None means 4 % of the longer side, at least 20 pixels.
    `timeout` and `wait` are seconds. `shard` is how many photos a journal part holds: what a crash costs.
    """

    paths: tuple[str, ...] = ()
    output: str = ""
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    exclude_dirs: tuple[str, ...] = ()  # besides discovery.DEFAULT_EXCLUDE_DIRS
    hidden: bool = False
    follow_symlinks: bool = False
    files_from: str | None = None
    limit: int | None = None
    max_megapixels: float = 200.0
    min_face: float | None = None
    min_score: float = 0.8
    max_faces: int = 500
    pre_cropped: bool = False
    model: str | None = None
    device: str = "auto"
    batch_size: int | None = None
    precision: str = "auto"
    workers: int | None = None
    annotate: str | None = None
    save_crops: str | None = None
    sidecar: str | None = None
    keyword_prefix: str = "agebatch"
    html: str | None = None
    dry_run: bool = False
    fresh: bool = False
    prune: bool = False
    retry_errors: bool = False
    checksum: bool = False
    wait: float = 0.0
    timeout: float = 60.0
    strict: bool = False
    summary_json: str | None = None
    output_inside: bool = False
    shard: int = 256
    shard_seconds: float = 60.0

    def __post_init__(self) -> None:
        for rule, complaint, hint in self._rules():
            if not rule:
                raise UsageError(complaint, hint)

    def _rules(self) -> list[tuple[bool, str, str]]:
        name = self.output
        return [
            (bool(self.paths or self.files_from), "nothing to scan", "name a folder, or --files-from FILE"),
            (bool(name or self.dry_run), "no output named", "-o results.csv, or -o - for CSV on stdout"),
            (
                not name or name == "-" or Path(name).suffix.lower() in OUTPUT_SUFFIXES,
                f"can't tell the format of the output {name!r}",
                "a name that ends in .csv, .parquet or .jsonl, or - for CSV on stdout",
            ),
            (_above(self.max_megapixels, 0), "--max-megapixels must be above 0", "200 is the default"),
            (self.min_face is None or _above(self.min_face, 0), "--min-face must be above 0", "auto, or 40"),
            (
                LEAST_SCORE <= self.min_score < 1,
                f"--min-score must lie in {LEAST_SCORE}..1",
                "0.8 is the default",
            ),
            (self.max_faces >= 1, "--max-faces must be at least 1", "500 is the default"),
            (self.batch_size is None or self.batch_size >= 1, "--batch-size must be at least 1", "64"),
            (self.workers is None or self.workers >= 1, "--workers must be at least 1", ""),
            (
                self.limit is None or self.limit >= 1,
                "--limit must be at least 1",
                "--dry-run shows the files",
            ),
            (_above(self.timeout, 0), "--timeout must be above 0", "60 seconds is the default"),
            (self.wait >= 0, "--wait must not be negative", "--wait 600 waits up to ten minutes"),
            (self.shard >= 1, "--shard must be at least 1", "256 is the default"),
            (self.device in DEVICES, f"unknown device {self.device!r}", "one of " + ", ".join(DEVICES)),
            (self.precision in PRECISIONS, f"unknown precision {self.precision!r}", ", ".join(PRECISIONS)),
            (self.sidecar is None or self.sidecar in SIDECARS, "unknown kind of sidecar", "--sidecar xmp"),
            (
                not (self.prune and self.limit),
                "--prune and --limit don't go together: what --limit leaves out would be dropped",
                "leave one of them out",
            ),
            (
                not (name == "-" and (self.html or self.retry_errors or self.prune)),
                "with -o - there is no report to go on from",
                "-o results.csv",
            ),
        ]

    @property
    def to_stdout(self) -> bool:
        """True when the rows go to stdout, so nothing can be resumed or carried over."""
        return self.output == "-"

    def fingerprint(self, weights: str) -> str:
        """Name in 8 hexadecimal digits what a row depends on besides the photo: same digits, same rows.

        `weights` names the content of detector and model. `--max-megapixels` isn't part of it: it decides
        about single photos only, and `--retry-errors` looks at those again.
        """
        said = [ROWS_VERSION, self.min_face, self.min_score, self.max_faces, self.pre_cropped, weights]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:8]

    def smallest_face(self, width: int, height: int) -> float:
        """How many original pixels the smallest face spans that is looked for in a photo of this size.

        >>> ScanSettings(("x",), "a.csv").smallest_face(4000, 3000)
        160.0
        """
        return self.min_face or max(AUTO_SHARE * max(width, height), AUTO_PIXELS)

    @property
    def detector_min_face(self) -> float:
        """The smallest face for the detector: a share of the preview's longer side, or its pixels."""
        if self.min_face is None:
            return AUTO_SHARE
        return float(min(max(self.min_face, LEAST_SEEN), SMALLEST_SEEN))

    @property
    def readers_side(self) -> int:
        """Longer side in pixels that the readers aim at: see `agebatch.workers.Readers`."""
        return AUTO_SIDE if self.min_face is None else LARGEST_SIDE

    @property
    def largest_preview(self) -> int:
        """Longer side in pixels that no preview exceeds."""
        return 2 * AUTO_SIDE if self.min_face is None else LARGEST_SIDE

    def preview_side(self, width: int, height: int) -> int:
        """Longer side in pixels to which the detector's view of a photo of this size is reduced.

        >>> ScanSettings(("x",), "a.csv").preview_side(4000, 3000)
        640
        >>> ScanSettings(("x",), "a.csv", min_face=80).preview_side(4000, 3000)
        1200
        """
        if self.min_face is None:
            return AUTO_SIDE
        longer = max(width, height)
        return max(1, min(math.ceil(longer * SMALLEST_SEEN / self.min_face), longer, LARGEST_SIDE))


def _above(value: float, floor: float) -> bool:
    return value > floor and not math.isnan(value)


SIZES = ("small", "medium", "large")  # of the network; agebatch.model.network says what they are


@dataclass(frozen=True)
class FitSettings:
    """Everything `agebatch fit` can be told. Raises UsageError when a value makes no sense.

    `mirror` averages the answers for a chip and its mirror image. `chip` and `crop` are sides in pixels: of the
    chips, and of the middle of them that the network sees. The first `coarse_share` of the epochs look at smaller
    pictures, `coarse` pixels wide: twice the faces a second. The first data set is the one to be good at: its share
    of each batch grows as `first_share` says. `teachers` are folders of models whose answers are learnt, too; they
    look at as many pixels, and then no epoch looks at smaller pictures.
    """

    datasets: tuple[str, ...] = ()
    output: str = ""
    epochs: int = 85
    batch_size: int = 96
    learning_rate: float = 3e-3
    seed: int = 0
    init: str | None = None
    size: str | None = None  # None: that of `init`, or small
    teachers: tuple[str, ...] = ()
    limit: int | None = None
    tensorboard: str | None = None
    device: str = "auto"
    precision: str = "auto"
    patience: int = 12
    chip: int = 112
    crop: int = 96
    coarse: int = 64
    coarse_share: float = 0.5
    first_share: tuple[float, float] = (0.4, 0.8)
    cooldown: float = 0.35
    weight_decay: float = 0.05
    averaging: float = 0.997
    mirror: bool = True

    def __post_init__(self) -> None:
        for rule, complaint, hint in (
            (
                bool(self.datasets),
                "no data set named",
                "name a folder of UTKFace files, or one with labels.csv",
            ),
            (bool(self.output), "no model folder named", "-o runs/first"),
            (self.epochs >= 1, "--epochs must be at least 1", _default("epochs")),
            (self.batch_size >= 8, "--batch-size must be at least 8", _default("batch_size")),
            (_above(self.learning_rate, 0), "--learning-rate must be above 0", _default("learning_rate")),
            (self.limit is None or self.limit >= 1, "--limit must be at least 1", "--limit 2000"),
            (self.device in DEVICES, f"unknown device {self.device!r}", "one of " + ", ".join(DEVICES)),
            (self.precision in PRECISIONS, f"unknown precision {self.precision!r}", ", ".join(PRECISIONS)),
            (
                self.size is None or self.size in SIZES,
                f"unknown size {self.size!r}",
                "one of " + ", ".join(SIZES),
            ),
            (not (self.init and self.size), "--size and --init: a model has its size", "leave --size out"),
            (
                0 <= self.coarse_share < 1,
                "--coarse-share must be from 0 to below 1",
                _default("coarse_share"),
            ),
            (
                32 <= self.coarse <= self.crop <= self.chip,
                f"--crop must be from {self.coarse} to --chip",
                _default("crop"),
            ),
        ):
            if not rule:
                raise UsageError(complaint, hint)


def _default(name: str) -> str:
    return f"{getattr(FitSettings, name)} is the default"


SPLITS = ("test", "validation", "train", "all")


@dataclass(frozen=True)
class EvaluateSettings:
    """Everything `agebatch evaluate` can be told. Raises UsageError when a value makes no sense."""

    dataset: str = ""
    model: str | None = None
    split: str = "test"
    limit: int | None = None
    output: str | None = None
    html: str | None = None
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise UsageError(f"unknown split {self.split!r}", "one of " + ", ".join(SPLITS))
        if self.limit is not None and self.limit < 1:
            raise UsageError("--limit must be at least 1", "--limit 2000")
        if self.device not in DEVICES:
            raise UsageError(f"unknown device {self.device!r}", "one of " + ", ".join(DEVICES))


FORMATS = {"savedmodel": "", "onnx": ".onnx", "tflite": ".tflite"}


@dataclass(frozen=True)
class ExportSettings:
    """Everything `agebatch export` can be told. Raises UsageError when a value makes no sense."""

    model: str | None = None
    format: str | None = None
    output: str = ""

    def __post_init__(self) -> None:
        if not self.output:
            raise UsageError("no output named", "-o age_gender.onnx")
        if self.format is not None and self.format not in FORMATS:
            raise UsageError(f"unknown format {self.format!r}", "one of " + ", ".join(FORMATS))

    @property
    def kind(self) -> str:
        """The format, by the output's suffix where none is given."""
        suffix = Path(self.output).suffix.lower()
        return self.format or next(
            (name for name, end in FORMATS.items() if end and end == suffix), "savedmodel"
        )


@dataclass(frozen=True)
class BenchSettings:
    """Everything `agebatch bench` can be told. Raises UsageError when a value makes no sense.

    Without `photos`, `count` of each size are made; a scan of far fewer ends before its stages overlap.
    """

    photos: tuple[str, ...] = ()
    json: str | None = None
    workers: int | None = None
    count: int = 72

    def __post_init__(self) -> None:
        if self.count < 1:
            raise UsageError("--count must be at least 1", f"{BenchSettings.count} is the default")
        if self.workers is not None and self.workers < 1:
            raise UsageError("--workers must be at least 1", "leave it out for one per core")
