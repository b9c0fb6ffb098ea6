import threading
import time

import pytest
import tensorflow as tf

from agebatch.model import devices
from agebatch.model.devices import Lanes, lanes


def test_results_come_in_order_though_calls_overlap():
    both = threading.Barrier(2)

    def wait(index):
        both.wait(timeout=10)  # passes only when two calls run at a time
        time.sleep(0.01 * (index % 2))
        return index

    assert list(Lanes(["", ""]).map(wait, range(8))) == list(range(8))


def test_each_thread_keeps_its_device():
    seen = {}

    def where(_):
        seen.setdefault(threading.current_thread().name, set()).add(tf.constant(1.0).device)
        time.sleep(0.01)

    list(Lanes(["/CPU:0", "/CPU:0"]).map(where, range(6)))
    assert len(seen) == 2
    assert all(len(names) == 1 and "CPU:0" in min(names) for names in seen.values())


def test_an_error_is_the_callers():
    with pytest.raises(ZeroDivisionError):
        list(Lanes([""]).map(lambda x: 1 / x, [1, 0]))


def test_a_cpu_has_as_many_lanes_as_asked_for():
    assert lanes("cpu, float32", 3).devices == ("", "", "")
    assert lanes("cpu, float32", 0).devices == ("",)


def test_bfloat16_is_used_where_the_processor_has_it(tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    for flags, expected in (("fpu avx512f avx512_bf16", True), ("fpu amx_bf16", True), ("fpu avx2", False)):
        cpuinfo.write_text(f"processor : 0\nflags\t\t: {flags}\nflags\t\t: {flags}\n")
        assert devices._has_bfloat16(cpuinfo) is expected
    assert devices._has_bfloat16(tmp_path / "absent") is False
