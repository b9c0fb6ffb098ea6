"""`agebatch export`: a model in another format, checked for equal answers."""

# ruff: noqa: PLC0415 - each format's library is loaded only when it is asked for

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from agebatch import console
from agebatch.errors import OutputError, UsageError
from agebatch.model import calibration, package
from agebatch.pipeline.hush import hushed
from agebatch.results.atomic import AtomicFile
from agebatch.settings import ExportSettings

CHIPS = 16  # noise pictures on which both models must agree
TOLERANCE = 0.1  # years; beyond it the export is not the same model


def run(settings: ExportSettings) -> None:
    """Write the model, read it back with the format's own runtime, and compare.

    Raises:
        ModelError: the model is missing or damaged.
        OutputError: the output exists as something else, can't be written, or answers differently.
        UsageError: the format's library is not installed.
    """
    model = package.load(settings.model)
    target = Path(settings.output)
    occupied = target.exists() and (not target.is_dir() or any(target.iterdir()))
    if settings.kind == "savedmodel" and occupied:
        raise OutputError(f"{target} exists and is not an empty folder", "choose another -o, or remove it")
    with hushed():
        import keras

        inner = model.inference()
    pixels = keras.Input((model.chip, model.chip, 3), name="pixels")
    answers = inner(pixels)
    network = keras.Model(pixels, answers)
    chips = np.random.default_rng(0).integers(0, 256, (CHIPS, model.chip, model.chip, 3)).astype(np.float32)
    expected = network.predict(chips, verbose=0)
    try:
        answer = {"savedmodel": _savedmodel, "onnx": _onnx, "tflite": _tflite}[settings.kind](network, target)
    except ImportError as error:
        raise UsageError(
            f"{settings.kind} needs the package {error.name}",
            "pip install 'agebatch[onnx]'" if settings.kind == "onnx" else "",
        ) from error
    except OSError as error:
        raise OutputError(f"{target}: {error.strerror or error}", "choose another -o") from error
    ages, genders = answer(chips)
    point = model.calibration.point
    years = np.abs(
        calibration.summarise(ages, point)[0] - calibration.summarise(expected["age"], point)[0]
    ).max()
    logit = np.abs(genders - expected["gender"]).max()
    if not years < TOLERANCE:
        raise OutputError(f"{target} answers differently: up to {years:.2f} years", "please report this")
    console.note(
        f"{target} written; on {CHIPS} pictures it differs by at most {years:.6f} years"
        f" and {logit:.6f} in the gender's logit"
    )


Answer = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def _savedmodel(network, target: Path) -> Answer:
    import tensorflow as tf

    network.export(str(target), verbose=False)
    loaded = tf.saved_model.load(str(target))

    def answer(chips: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        given = loaded.serve(chips)
        return given["age"].numpy(), given["gender"].numpy()

    return answer


def _onnx(network, target: Path) -> Answer:
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tf2onnx looks for names that NumPy no longer has
        inside = Path(folder) / "model.onnx"
        network.export(str(inside), format="onnx", verbose=False)
        data = inside.read_bytes()
    with AtomicFile(target) as file:
        file.file.write(data)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    return lambda chips: _by_shape(session.run(None, {session.get_inputs()[0].name: chips}))


def _tflite(network, target: Path) -> Answer:
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        network.export(folder, verbose=False)
        data = tf.lite.TFLiteConverter.from_saved_model(folder).convert()
    with AtomicFile(target) as file:
        file.file.write(data)
    with hushed(), warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # that the interpreter moves to another package; it answers until then
        interpreter = tf.lite.Interpreter(model_content=data)

    def answer(chips: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        index = interpreter.get_input_details()[0]["index"]
        interpreter.resize_tensor_input(index, chips.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(index, chips)
        interpreter.invoke()
        return _by_shape([interpreter.get_tensor(out["index"]) for out in interpreter.get_output_details()])

    return answer


def _by_shape(outputs: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Age has 101 columns, gender one, in whatever order the format lists them."""
    age, gender = sorted(outputs, key=lambda array: -array.shape[1])
    return age, gender
