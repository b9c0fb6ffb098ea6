"""`agebatch` with a fake detector and model behind real reading processes, for tests that kill it."""

import os
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from agebatch.commands import scan
from tests import fakes

PACE = float(os.environ.get("FAKE_PACE", "0"))  # seconds that the detector takes for a photo
SHARD = int(os.environ.get("FAKE_SHARD", "16"))


class _Slow(fakes.FakeDetector):
    def detect(self, batch):
        time.sleep(PACE * len(batch))
        return super().detect(batch)


def _tools(settings):
    return replace(fakes.fake_tools_with_real_readers(settings), detector=_Slow)


if __name__ == "__main__":
    from agebatch.cli import main

    run = scan.run
    scan.run = lambda settings, **more: run(replace(settings, shard=SHARD), _tools, **more)
    main()
