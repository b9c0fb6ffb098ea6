"""`agebatch export`: a model in another format, checked for equal answers."""

# ruff: noqa: PLC0415 - each format's library is loaded only when it is asked for

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from agebatch import console
from agebatch.errors import OutputError, UsageError
from agebatch.model import calibration, package
from agebatch.pipeline.hush import hushed
from agebatch.results.atomic import output_errors
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

        from agebatch.model import devices

        devices.choose("auto", "float32")  # others may not compute in what suits this machine
        inner = model.inference()
    pixels = keras.Input((model.chip, model.chip, 3), name="pixels")
    answers = inner(pixels)
    network = keras.Model(pixels, answers)
    chips = np.random.default_rng(0).integers(0, 256, (CHIPS, model.chip, model.chip, 3)).astype(np.float32)
    expected = network.predict(chips, verbose=0)
    with _temporary_folder(target) as folder:
        made = folder / "model"
        try:
            answer = {"savedmodel": _savedmodel, "onnx": _onnx, "tflite": _tflite}[settings.kind](
                network, made
            )
        except ImportError as error:
            raise UsageError(
                f"{settings.kind} needs the package {error.name}",
                "pip install 'agebatch[onnx]'" if settings.kind == "onnx" else "",
            ) from error
        ages, genders = answer(chips)
        point = model.calibration.point
        expected_age = calibration.summarise(expected["age"], point)[0]
        years = np.abs(calibration.summarise(ages, point)[0] - expected_age).max()
        logit = np.abs(genders - expected["gender"]).max()
        if not years < TOLERANCE:
            raise OutputError(
                f"{target} would answer differently: up to {years:.2f} years", "please report this"
            )
        with output_errors(target):
            made.replace(target)
    console.note(
        f"{target} written; on {CHIPS} pictures it differs by at most {years:.6f} years"
        f" and {logit:.6f} in the gender's logit"
    )


@contextmanager
def _temporary_folder(target: Path) -> Iterator[Path]:
    """Beside the target, so that what is right can be renamed to it."""
    with output_errors(target):
        folder = tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.resolve().parent)
    with folder as name:
        yield Path(name)


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
    import tf2onnx  # noqa: F401 - Keras' own complaint about a missing one does not name it

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tf2onnx looks for names that NumPy no longer has
        # Keras looks at the suffix.
        network.export(f"{target}.onnx", format="onnx", verbose=False)
    Path(f"{target}.onnx").replace(target)
    session = onnxruntime.InferenceSession(str(target), providers=["CPUExecutionProvider"])
    return lambda chips: _by_shape(session.run(None, {session.get_inputs()[0].name: chips}))


def _tflite(network, target: Path) -> Answer:
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        network.export(folder, verbose=False)
        data = tf.lite.TFLiteConverter.from_saved_model(folder).convert()
    target.write_bytes(data)
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
