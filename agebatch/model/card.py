"""The model card in words: a model folder's README.md, written from its card.json and nothing else.

Form: Mitchell et al. 2019, "Model cards for model reporting" (arXiv 1810.03993), with the header that model
hubs read.
"""

from __future__ import annotations

from typing import Any

from agebatch.model import evaluation

TERMS = {
    "utkface": "UTKFace (https://susanqq.github.io/UTKFace/): pictures collected from the web, for non-commercial "
    "research only; copyright stays with their owners",
    "fairface": "FairFace (https://github.com/joojs/fairface): CC BY 4.0, Kärkkäinen and Joo 2021, at 128 × 128",
}


def write(card: dict[str, Any]) -> str:
    """Write the README of a model folder from its card."""
    parts = [_header(card), _intended(card), _data(card), _figures(card), _slices(card), _crossed(card)]
    parts += [_limits(card), _training(card)]
    return "\n".join(parts)


def _header(card: dict[str, Any]) -> str:
    shape = card["architecture"]
    given = card["input"]
    return f"""---
library_name: keras
pipeline_tag: image-classification
tags: [age-estimation, gender-classification, face]
license: other
---

# {card["name"]}

Apparent age and gender of one aligned face. A residual network of {card["parameters"] / 1e6:.1f} million parameters
(stages of {", ".join(str(width) for width in shape["widths"])} channels) looks at the middle {given["crop"]} ×
{given["crop"]} pixels of a {given["chip"]} × {given["chip"]} chip in UTKFace's own geometry and gives a distribution
over the years 0 to 100, whose {card["calibration"]["point"]} is the age, and a logit for gender.
{"Answers are the mean of the chip and its mirror image. " if given["mirror"] else ""}Input: RGB, 0..255;
normalisation is inside the network. Everything that is needed to rebuild it is in `card.json`.
"""


def _intended(card: dict[str, Any]) -> str:
    return """## What it is for, and what it must not be used for

For describing collections: how old the people in an archive look on the whole, finding pictures of children or of
the old, checking catalogues, research on pictures as pictures. Read counts and distributions with their intervals.

It must not be used to decide anything about a person: not for access, age verification, hiring, policing, credit,
insurance or medicine, not for identifying or tracking people, and not to tell anybody's gender identity. It knows
only `female` and `male` because its labels do; these were guessed by others or by software from the picture.
"""


def _data(card: dict[str, Any]) -> str:
    lines = ["## Data", "", "| data set | framing | train | validation | test | digest |", "| --- " * 6 + "|"]
    for part in card["data"]:
        counts = " | ".join(str(part[split]) for split in ("train", "validation", "test"))
        lines.append(f"| {part['name']} | {part['framing']} | {counts} | `{part['digest']}` |")
    known = [TERMS[part["framing"]] for part in card["data"] if part["framing"] in TERMS]
    lines += [
        "",
        "Splits are made by the hash of the near-duplicate group, so no photograph is on two sides.",
        "",
    ]
    lines += ["Terms, if these are the sets of those names:", ""]
    lines += [f"- {text}." for text in dict.fromkeys(known)]
    return "\n".join(lines) + "\n"


def number(figure: dict[str, Any] | None, form: str) -> str:
    """Write a figure with its 95 % interval for people; `form` "%" makes shares per cent."""
    if not figure or figure["value"] is None or figure["n"] == 0:
        return "–"
    scale = 100 if form == "%" else 1
    value, low, high = (scale * figure[key] for key in ("value", "low", "high"))
    digits = 1 if form == "%" else 2
    return f"{value:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


ROWS = (
    ("mae", "mean absolute error, years", ""),
    ("cs5", "CS@5: within 5 years, %", "%"),
    ("bias", "bias, years", ""),
    ("coverage", "interval holds the label, %", "%"),
    ("interval_width", "width of the interval, years", ""),
    ("gender_accuracy", "gender accuracy, %", "%"),
    ("gender_ece", "expected calibration error of gender, %", "%"),
    ("within_range", "age inside the labelled range, %", "%"),
    ("one_off", "one-off accuracy: that range or the next, %", "%"),
)


def _figures(card: dict[str, Any]) -> str:
    lines = ["## Figures on the test split", ""]
    lines += [
        "With 95 % bootstrap intervals; the baseline answers the median age and the commoner gender.",
        "Labels are themselves uncertain: near-duplicates of one photograph in UTKFace carry ages that differ by 4",
        "years on average.",
    ]
    for part in card["evaluation"]:
        overall = part["overall"]
        lines += [
            "",
            f"### {part['name']}, {part['n']} faces",
            "",
            "| figure | value | baseline |",
            "| --- " * 3 + "|",
        ]
        for key, title, form in ROWS:
            if key in overall:
                base = overall[key]["baseline"]
                shown = "" if base is None else f"{base * 100:.1f}" if form == "%" else f"{base:.2f}"
                lines.append(f"| {title} | {number(overall[key], form)} | {shown} |")
    return "\n".join(lines) + "\n"


COLUMNS = (
    ("mae", ""),
    ("bias", ""),
    ("coverage", "%"),
    ("gender_accuracy", "%"),
    ("within_range", "%"),
    ("one_off", "%"),
)


def _slices(card: dict[str, Any]) -> str:
    lines = ["## Error by group", ""]
    for part in card["evaluation"]:
        used = [(key, form) for key, form in COLUMNS if key in part["overall"]]
        titles = {key: title for key, title, _ in ROWS}
        lines += [f"### {part['name']}", ""]
        lines.append("| group | n | " + " | ".join(titles[key] for key, _ in used) + " |")
        lines.append("| --- " * (2 + len(used)) + "|")
        for by in ("age", "wide age", "gender", "gender from 13 on", "ethnicity"):
            for name, figures in evaluation.find(part, by).items():
                n = max((figure["n"] for figure in figures.values()), default=0)
                cells = " | ".join(number(figures.get(key), form) for key, form in used)
                lines.append(f"| {by.removeprefix('wide ')} {name} | {n} | {cells} |")
        lines.append("")
    return "\n".join(lines)


def _crossed(card: dict[str, Any]) -> str:
    lines = ["## Error by age band × gender × ethnicity", ""]
    for part in card["evaluation"]:
        ranged = "mae" not in part["overall"]
        key, form = ("within_range", "%") if ranged else ("mae", "")
        lines += [f"<details><summary>{part['name']}</summary>", ""]
        lines += [
            f"| group | n | {dict((k, t) for k, t, _ in ROWS)[key]} | gender accuracy, % |",
            "| --- " * 4 + "|",
        ]
        for name, figures in evaluation.find(part, evaluation.CROSSED).items():
            n = max(figure["n"] for figure in figures.values())
            gender = number(figures.get("gender_accuracy"), "%")
            lines.append(f"| {name} | {n} | {number(figures.get(key), form)} | {gender} |")
        lines += ["", "</details>", ""]
    return "\n".join(lines)


def _limits(card: dict[str, Any]) -> str:
    return """## Limits

- Errors grow with age, and the old are guessed too young: the table by age says by how much.
- The gender of small children is little better than guessed.
- Training pictures come from the web and over-represent adults of 20 to 40, frontal faces and celebrities.
  Faces turned far aside, covered, made up, painted or very small get worse answers than the figures say.
- The groups called ethnicity are coarse labels given by others. They are used to measure, never to predict.
- The interval holds the label in 90 % of cases over all ages taken together, on pictures like those of the test
  split; for one age band or another kind of picture it holds it more or less often.
"""


def _training(card: dict[str, Any]) -> str:
    training = card["training"]
    earlier = training.get("earlier", [])
    lines = ["## Training", "", "```", *earlier, training["command"], "```", ""]
    if earlier:
        lines.append(
            "The last line made this model from those that the lines before it made. Of the last line:"
        )
    lines.append(
        f"{training['epochs']} epochs, {training['samples']:,} samples, {training['hours']:.1f} hours on "
        f"{training['device']}; {', '.join(f'{k} {v}' for k, v in training['versions'].items())}."
    )
    if card.get("history"):
        lines += ["", "## History of experiments", "", *card["history"]]
    return "\n".join(lines) + "\n"
