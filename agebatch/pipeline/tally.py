"""What a report says in a few numbers, counted while its rows stream by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from agebatch.results.schema import Row, Status


@dataclass
class Tally:
    """Counts of images, faces, ages and genders."""

    images: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    ages: Counter[float] = field(default_factory=Counter)
    genders: Counter[str] = field(default_factory=Counter)

    def over(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Hand the rows on, counting them."""
        for row in rows:
            self.add(row)
            yield row

    def add(self, row: Row) -> None:
        """Count one row."""
        status = str(row["status"])
        if not row["face"]:  # the image's only or first row
            self.images[status] += 1
            if Status(status).is_error:
                self.reasons[str(row["message"])] += 1
        if row["age"] is not None:
            self.ages[float(row["age"])] += 1
            self.genders[str(row["gender"])] += 1

    @property
    def faces(self) -> int:
        """How many faces were counted."""
        return sum(self.ages.values())

    @property
    def errors(self) -> int:
        """How many images could not be looked at."""
        return sum(count for status, count in self.images.items() if Status(status).is_error)

    def median_age(self) -> float | None:
        """The lower median of the ages, None without faces.

        >>> Tally(ages=Counter({30.0: 2, 50.0: 1})).median_age()
        30.0
        """
        left = (self.faces + 1) // 2
        for age in sorted(self.ages):
            left -= self.ages[age]
            if left <= 0:
                return age
        return None

    def lines(self) -> list[tuple[str, str]]:
        """The numbers as a small table for people."""
        lines = [("images", f"{self.images.total():,}")]
        lines += [(f"  {s.value}", f"{self.images[s.value]:,}") for s in Status if self.images[s.value]]
        lines.append(("faces", f"{self.faces:,}"))
        if self.faces:
            lines.append(("median age", f"{self.median_age():.0f}"))
            lines += [(f"  {g}", f"{n / self.faces:.0%}") for g, n in sorted(self.genders.items())]
        return lines

    def as_json(self) -> dict[str, Any]:
        """The numbers for `--summary-json`."""
        return {
            "images": self.images.total(),
            "by_status": {status.value: self.images[status.value] for status in Status},
            "faces": self.faces,
            "median_age": self.median_age(),
            "by_gender": dict(sorted(self.genders.items())),
        }
