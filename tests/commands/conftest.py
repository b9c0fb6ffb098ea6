import pytest

from tests.commands.trained import faces, settings


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A data set of 60 faces, and a model folder that `fit` made of it."""
    from agebatch.commands import fit  # noqa: PLC0415 - loads TensorFlow

    folder = tmp_path_factory.mktemp("trained")
    dataset = faces(folder, 60)
    fit.run(settings(dataset, folder / "model"))
    return dataset, folder / "model"
