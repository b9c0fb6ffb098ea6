"""What a scan says of itself: its plan, its end, and `--summary-json` for scripts."""

from __future__ import annotations

import json
import shlex
import time
from collections import Counter
from pathlib import Path
from typing import Any

from agebatch import __version__, console
from agebatch.errors import AgebatchError, ExitCode
from agebatch.pipeline.tally import Tally
from agebatch.results.atomic import AtomicFile
from agebatch.results.earlier import Plan
from agebatch.settings import ScanSettings

REASONS_SHOWN = 5
LEAST_FOR_A_RATE = 32  # photos: fewer come all at once out of the first batches


class Account:
    """Counts what happens in one scan, and says it to people and scripts."""

    def __init__(self, settings: ScanSettings, model: str) -> None:
        self.settings = settings
        self.model = model
        self.tally = Tally()
        self.skipped: Counter[str] = Counter()
        self.planned = Plan()
        self.computed = self.faces = self.stored = 0
        self._started = self._computing = time.monotonic()
        self._first: float | None = None
        self._seconds = 0.0  # from the beginning of the computing to the last photo

    def plan(self, plan: Plan) -> None:
        """Say what there is to do."""
        self.planned = plan
        self._computing = time.monotonic()
        todo = len(plan.todo)
        for reason, count in self.skipped.most_common():
            console.note(f"skipped {count:,}: {reason}", "skipped", reason=reason, count=count)
        counts = {"compute": todo, "carried": plan.carried, "vanished": plan.vanished, "pruned": plan.pruned}
        if plan.other_model:
            console.note(
                f"{console.count(plan.other_model, 'photograph')} known from another model or other settings:"
                " computed again",
                "other_model",
                count=plan.other_model,
            )
        if not todo:
            console.note(f"nothing to compute: {self._carried()}", "plan", **counts)
            return
        why = [
            f"{count:,} {name}"
            for count, name in (
                (plan.new, "new"),
                (plan.changed, "changed"),
                (plan.other_model, "with another model"),
                (plan.retried, "tried again"),
            )
            if count and count != todo
        ]
        parts = [f"{console.count(todo, 'photograph')} to look at" + (f" ({', '.join(why)})" if why else "")]
        if plan.carried or plan.vanished:
            parts.append(self._carried())
        console.note("; ".join(parts), "plan", **counts)

    def _carried(self) -> str:
        plan = self.planned
        text = f"{console.count(plan.carried, 'photograph')} unchanged"
        if plan.vanished - plan.pruned:
            # Gone, beyond --limit, or below a folder that isn't scanned today.
            text += f", {plan.vanished - plan.pruned:,} others keep their rows (--prune drops what is gone)"
        if plan.pruned:
            text += f", {plan.pruned:,} gone and dropped"
        return text

    def count(self, faces: int) -> None:
        """One more photo is done."""
        now = time.monotonic()
        self._first = self._first or now
        self._seconds = now - self._computing
        self.computed += 1
        self.faces += faces

    def per_second(self) -> float | None:
        """Photos per second since the first was done, so without loading; None where that says nothing."""
        seconds = self._seconds - ((self._first or 0.0) - self._computing)
        return (self.computed - 1) / seconds if self.computed >= LEAST_FOR_A_RATE and seconds > 0 else None

    def kept(self) -> str:
        """How much survives an interruption, for the message that tells of it."""
        if not self.stored or self.settings.to_stdout:
            return ""
        return f"; {self.stored:,} of {console.count(len(self.planned.todo), 'photograph')} done and kept"

    def hint(self) -> str:
        """How to go on after an interruption."""
        return "" if self.settings.to_stdout else "the same command goes on where this one stopped"

    def say_end(self, made: list[str]) -> None:
        """Show the closing table and the next useful command."""
        settings, tally = self.settings, self.tally
        if tally.images:
            rows = tally.lines()
            if self.computed:
                rows.append(("computed now", f"{self.computed:,} in {console.duration(self._seconds)}"))
            if speed := self.per_second():
                rows.append(("images per second", f"{speed:.1f}"))
            console.table(rows, name="result")
            for reason, count in tally.reasons.most_common(REASONS_SHOWN):
                console.note(f"{count:,} could not be read: {reason}", "unread", reason=reason, count=count)
            if len(tally.reasons) > REASONS_SHOWN:
                console.note(
                    f"… and {len(tally.reasons) - REASONS_SHOWN:,} more reasons: see the column message"
                )
        if not settings.to_stdout and (self.planned.todo or self.planned.write):
            made = [settings.output, *made]
        for path in made:
            console.note(f"written: {path}", "written", path=path)
        if self.computed and not (settings.to_stdout or settings.html):
            page = Path(settings.output).with_suffix(".html")
            command = shlex.join(["agebatch", "report", settings.output, "-o", str(page)])
            console.note(f"next: {command}", "next", style="cyan")

    def close(self, error: BaseException | None) -> None:
        """Write `--summary-json`, however the run ended."""
        code = ExitCode.DONE if error is None else ExitCode.BUG
        if isinstance(error, AgebatchError):
            code = error.exit_code
        elif isinstance(error, BrokenPipeError):
            code = ExitCode.OUTPUT
        summary = self.summary(int(code), "" if error is None else str(error))
        console.event("end", **{key: value for key, value in summary.items() if key != "run"})
        if not self.settings.summary_json:
            return
        text = json.dumps(summary, indent=2, default=str) + "\n"
        try:
            with AtomicFile(self.settings.summary_json) as target:
                target.file.write(text.encode("ascii"))
        except AgebatchError as trouble:
            if error is None:
                raise
            console.warn(str(trouble))

    def summary(self, code: int, problem: str) -> dict[str, Any]:
        """The run in numbers. `report` counts the whole report and is empty where none was written."""
        plan, seconds = self.planned, time.monotonic() - self._started
        return {
            "run": console.run_id(),
            "version": __version__,
            "exit_code": code,
            "problem": problem,
            "output": self.settings.output,
            "model": self.model,
            "seconds": round(seconds, 3),
            "computed": self.computed,
            "planned": len(plan.todo),
            "carried": plan.carried,
            "new": plan.new,
            "changed": plan.changed,
            "other_model": plan.other_model,
            "retried": plan.retried,
            "vanished": plan.vanished,
            "pruned": plan.pruned,
            "skipped": dict(self.skipped),
            "images_per_second": round(self.per_second() or 0.0, 2) or None,
            "report": self.tally.as_json() if self.tally.images else {},
        }
