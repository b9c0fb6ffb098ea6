"""Which processor computes, and in which precision."""

from __future__ import annotations

import contextlib

import keras

from agebatch.errors import UsageError
from agebatch.settings import cores


def choose(device: str, precision: str, *, one_thread_each: bool = False) -> str:
    """Set up Keras and its backend for this process.

    Args:
        device: `auto` (a GPU where there is one), `cpu` or `gpu`.
        precision: `auto` (mixed on a GPU, float32 on a CPU), `float32` or `mixed`.
        one_thread_each: on a CPU every call of a graph computes in one thread, for callers that make several calls at
            a time. Two threads that share each small operation spend twice the processor time waiting for each other.

    Returns:
        What was chosen, for people: `cpu, float32` or `gpu, mixed`.

    Raises:
        UsageError: a GPU is asked for and there is none.
    """
    gpus = _gpus(device)
    if one_thread_each and not gpus:
        _use_one_thread_each()
    if device == "gpu" and not gpus:
        raise UsageError("--device gpu: no GPU is visible", "--device auto, or pip install 'agebatch[gpu]'")
    mixed = precision == "mixed" or (precision == "auto" and bool(gpus))
    policy = ("mixed_float16" if gpus else "mixed_bfloat16") if mixed else "float32"
    keras.mixed_precision.set_global_policy(policy)
    return f"{'gpu' if gpus else 'cpu'}, {'mixed' if mixed else 'float32'}"


def _use_one_thread_each() -> None:
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf  # noqa: PLC0415

    with contextlib.suppress(RuntimeError):  # TensorFlow has computed something already: it stays as it is
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(max(2, cores()))


def _gpus(device: str) -> list:
    if keras.backend.backend() == "jax":
        import jax  # noqa: PLC0415

        return [] if device == "cpu" else [d for d in jax.devices() if d.platform == "gpu"]
    import tensorflow as tf  # noqa: PLC0415

    gpus = tf.config.list_physical_devices("GPU")
    if device == "cpu":
        tf.config.set_visible_devices([], "GPU")
        return []
    for gpu in gpus:
        # Without growth TensorFlow takes the whole card, and a second process on it fails.
        tf.config.experimental.set_memory_growth(gpu, True)
    return gpus
