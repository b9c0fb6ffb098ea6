"""The plots of the report page, from its frame and its numbers."""

from __future__ import annotations

from typing import Any

from agebatch.pages import plots
from agebatch.pages.report_numbers import FACES_SHOWN, Numbers

THIRD = 300  # points: these plots stand three in a row
AGE_BINS = tuple(range(0, 101, 5))


def draw(frame: Any, numbers: Numbers) -> dict[str, str]:
    """Every plot of the page as SVG, by its name in the template; those without data are left out."""
    faces = frame[frame["is_face"]]
    drawn = _of_faces(faces, numbers) if len(faces) else {}
    folders = [group for group in numbers.folders if group.ages]
    if folders:
        names = [group.name for group in folders]
        low, middle, high = zip(*(group.ages or (0, 0, 0) for group in folders), strict=True)
        drawn["folders"] = plots.ranges(
            names, low, middle, high, title="Ages by folder", x_label="age, years"
        )
        drawn["folder_gender"] = plots.bars(
            names,
            [100 * (group.female or 0) for group in folders],
            title="Female share by folder",
            x_label="per cent of the faces",
            colour=plots.FEMALE,
        )
    if numbers.months:
        drawn["months"] = plots.columns(
            [group.name for group in numbers.months],
            [group.faces for group in numbers.months],
            title="Faces by month",
            y_label="faces",
        )
    return drawn


def _of_faces(faces: Any, numbers: Numbers) -> dict[str, str]:
    pyramid = numbers.pyramid
    width = (faces["age_high"] - faces["age_low"]).dropna().to_numpy()
    widest = max(10, -(-int(width.max() if len(width) else 0) // 10) * 10)
    names = [*map(str, range(FACES_SHOWN)), f"{FACES_SHOWN}+"]
    return {
        "pyramid": plots.pyramid(
            pyramid.bands,
            pyramid.female,
            pyramid.male,
            title="Age pyramid",
            female_expected=pyramid.female_expected,
            female_spread=pyramid.female_spread,
            male_expected=pyramid.male_expected,
            male_spread=pyramid.male_spread,
        ),
        "ages": plots.histogram(
            faces["age"].dropna().clip(upper=AGE_BINS[-1]).to_numpy(),
            AGE_BINS,
            title="Ages",
            x_label="age, years",
            height=170,
        ),
        "per_photo": plots.columns(
            names,
            numbers.per_photo,
            title="Faces per photograph",
            x_label="faces in the photograph",
            y_label="photographs",
            height=170,
        ),
        "confidence": plots.histogram(
            100 * faces["gender_confidence"].dropna().to_numpy(),
            range(50, 101, 5),
            title="Confidence in the gender",
            x_label="confidence, per cent",
            width=THIRD,
        ),
        "widths": plots.histogram(
            width,
            range(0, widest + 1, max(1, widest // 20)),
            title="Width of the age interval",
            x_label="years",
            width=THIRD,
        ),
        "scores": plots.histogram(
            100 * faces["face_score"].dropna().to_numpy(),
            _score_bins(faces["face_score"].min()),
            title="Face score",
            x_label="score, per cent",
            width=THIRD,
        ),
    }


def _score_bins(lowest: float) -> list[float]:
    """Ten bins from the lowest score, rounded down to a whole ten per cent, to 100."""
    start = 90.0 if not lowest < 0.9 else max(0.0, 100 * lowest // 10 * 10)
    return [start + i * (100 - start) / 10 for i in range(11)]
