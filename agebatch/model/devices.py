"""Which processor computes, and in which precision."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import keras

from agebatch.errors import UsageError
from agebatch.settings import cores

Item, Result = TypeVar("Item"), TypeVar("Result")


def choose(device: str, precision: str, *, one_thread_each: bool = False) -> str:
    """Set up Keras and its backend for this process.

    Args:
        device: `auto` (a GPU where there is one), `cpu` or `gpu`.
        precision: `auto` (mixed on a GPU, and on a processor that computes in bfloat16; else float32), `float32` or
            `mixed`.
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
    mixed = precision == "mixed" or (precision == "auto" and (bool(gpus) or _has_bfloat16()))
    # Half floats need the loss scaled, which Keras does for TensorFlow's GPUs; JAX's have bfloat16.
    half = "mixed_float16" if gpus and keras.backend.backend() == "tensorflow" else "mixed_bfloat16"
    policy = half if mixed else "float32"
    keras.mixed_precision.set_global_policy(policy)
    return f"{'gpu' if gpus else 'cpu'}, {'mixed' if mixed else 'float32'}"


def _has_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """True where the processor multiplies bfloat16 itself; elsewhere it is emulated, and far slower than float32."""
    try:
        flags = next((line for line in cpuinfo.read_text().splitlines() if line.startswith("flags")), "")
    except OSError:  # not Linux: not known
        return False
    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(flags.split())


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


class Lanes:
    """Threads that compute side by side, each on a device of its own.

    Args:
        devices: TensorFlow's name of each thread's device; "" leaves the choice to TensorFlow.
    """

    def __init__(self, devices: Sequence[str]) -> None:
        self.devices = tuple(devices)
        self._free: queue.SimpleQueue[str] = queue.SimpleQueue()
        for device in self.devices:
            self._free.put(device)
        self._mine = threading.local()
        self._threads = ThreadPoolExecutor(len(self.devices), "lane", self._take)

    def __len__(self) -> int:
        return len(self.devices)

    def map(self, call: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Call it with each item, as many at a time as there are threads; results in the items' order.

        Raises: whatever the call raises.
        """
        under_way: deque[Future[Result]] = deque()
        for item in items:
            under_way.append(self._threads.submit(self._on_own_device, call, item))
            while len(under_way) >= len(self.devices):
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()

    def _take(self) -> None:
        self._mine.device = self._free.get()

    def _on_own_device(self, call: Callable[[Item], Result], item: Item) -> Result:
        if not self._mine.device:
            return call(item)
        import tensorflow as tf  # noqa: PLC0415

        with tf.device(self._mine.device):
            return call(item)


def lanes(chosen: str, threads: int) -> Lanes:
    """Make a lane for each GPU, or so many on the CPU; `chosen` is what `choose` gave."""
    if not chosen.startswith("gpu"):
        return Lanes([""] * max(1, threads))
    import tensorflow as tf  # noqa: PLC0415

    return Lanes([device.name for device in tf.config.list_logical_devices("GPU")])
