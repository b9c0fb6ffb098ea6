"""A scan without pictures, run as a process of its own by test_faults.py and ended in every way.

    python small_scan.py OUTPUT MODE IMAGES [BYTES]

MODE is `run`, or `slow` (a pause in every shard). With BYTES, no file may grow past that size, which the
system refuses in the middle of a write as a full disk does. Prints a line for every shard that is kept.
"""

import itertools
import resource
import sys
import time
from typing import NamedTuple

from agebatch.errors import AgebatchError
from agebatch.results.earlier import Earlier, Rules
from agebatch.results.files import open_writer
from agebatch.results.journal import Journal
from agebatch.results.lock import Lock
from agebatch.results.schema import Row, row

SHARD = 16
RULES = Rules("m1/0f0f", roots=("photos",))


class Found(NamedTuple):
    path: str
    size: int
    mtime_ns: int


def walk(images: int) -> list[Found]:
    return [Found(f"photos/{i:06d}\udce9\n.jpg", i, 10**18 + i) for i in range(images)]


def compute(found: Found) -> list[Row]:
    faces = found.size % 4
    made = {
        "path": found.path, "status": "ok" if faces else "no_face", "faces": faces, "file_size": found.size,
        "file_mtime_ns": found.mtime_ns, "model": RULES.model,
    }  # fmt: skip
    return [row(**made, face=i, age=found.size / 7, gender="male") for i in range(faces)] or [row(**made)]


def main(output: str, mode: str, images: int) -> int:
    with Lock(output):
        journal = Journal(output)
        earlier = Earlier(output, journal)
        plan = earlier.plan(walk(images), RULES)
        todo = iter(plan.todo)
        while chunk := list(itertools.islice(todo, SHARD)):
            journal.commit(made for found in chunk for made in compute(found))
            print("kept", flush=True)
            time.sleep(0.003 if mode == "slow" else 0)
        if plan.write:
            with open_writer(output) as report:
                for made in earlier.rows():
                    report.write([made])
                    time.sleep(0.0001 if mode == "slow" else 0)
        journal.remove()
        print(f"carried {plan.carried} computed {len(plan.todo)}", flush=True)
    return 0


if __name__ == "__main__":
    if len(sys.argv) > 4:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]), int(sys.argv[4])))
    try:
        sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
    except AgebatchError as error:
        print(error, error.hint, file=sys.stderr)
        sys.exit(error.exit_code)
