import importlib.util
import re

import pytest

from agebatch.commands import export
from agebatch.errors import OutputError, UsageError
from agebatch.settings import ExportSettings


def run(trained, output, **more):
    export.run(ExportSettings(str(trained[1]), output=str(output), **more))


@pytest.mark.filterwarnings("ignore")  # of the converters
@pytest.mark.parametrize("name", ["model.tflite", "savedmodel", "model.onnx"])
def test_the_other_format_answers_alike(trained, tmp_path, capsys, name):
    if name.endswith("onnx"):
        pytest.importorskip("onnxruntime")
        pytest.importorskip("tf2onnx")
    run(trained, tmp_path / name)
    said = " ".join(capsys.readouterr().err.split())
    assert float(re.search(r"differs by at most ([\d.]+) years", said)[1]) < 0.01
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.skipif(importlib.util.find_spec("onnxruntime") is not None, reason="onnxruntime is installed")
def test_a_missing_package_says_what_to_install(trained, tmp_path):
    with pytest.raises(UsageError) as error:
        run(trained, tmp_path / "model.onnx")
    assert "agebatch[onnx]" in error.value.hint


def test_nothing_of_others_is_overwritten(trained, tmp_path):
    (tmp_path / "theirs").write_text("x")
    with pytest.raises(OutputError):
        run(trained, tmp_path, format="savedmodel")
