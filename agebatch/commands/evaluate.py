"""`agebatch evaluate`: how good a model is on labelled faces; as a table, as JSON, as a page."""

# ruff: noqa: PLC0415 - heavy modules are loaded once the input is known to be good

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from agebatch import console
from agebatch.datasets.examples import Examples, digest, load_examples
from agebatch.datasets.labelled import parse_dataset
from agebatch.errors import InputError
from agebatch.model import calibration, evaluation, metrics, package
from agebatch.model.calibration import Answers
from agebatch.model.card import COLUMNS, ROWS, number
from agebatch.pipeline.hush import hushed
from agebatch.results.atomic import AtomicFile
from agebatch.settings import EvaluateSettings

WORST = 24  # pictures on the page


def run(settings: EvaluateSettings) -> None:
    """Measure a model on a data set.

    Raises:
        InputError: the data set is missing, or nothing of it falls into the split.
        ModelError: the model is missing or damaged.
        OutputError: the JSON or the page can't be written.
    """
    model = package.load(settings.model)
    every = load_examples(
        [settings.dataset], model.chip, settings.limit, console.warn, console.progress, settings.device
    )
    examples = every if settings.split == "all" else every.take(every.split == settings.split)
    if not len(examples):
        raise InputError(
            f"{settings.dataset}: none of its {len(every)} faces falls into the {settings.split} split",
            "--split all takes every face",
        )
    _warn_about_training(model, every, settings)

    with hushed():
        from agebatch.model.answering import answering

        answer = answering(model, device=settings.device)
    answers = calibration.apply(model.calibration, *answer(examples.pixels))
    folder, _ = parse_dataset(settings.dataset)
    measured = {
        "name": folder.resolve().name,
        "model": model.name,
        "model_fingerprint": model.fingerprint,
        "split": settings.split,
        **evaluation.evaluate(answers, examples),
    }
    _show(measured)
    if settings.output == "-":
        console.data(json.dumps(measured, indent=2) + "\n")
    elif settings.output:
        with AtomicFile(settings.output) as page:
            page.file.write((json.dumps(measured, indent=2, ensure_ascii=False) + "\n").encode())
    if settings.html:
        _write_page(Path(settings.html), measured, answers, examples)
        console.note(f"page written to {settings.html}")


def _warn_about_training(model: package.Package, every: Examples, settings: EvaluateSettings) -> None:
    parts = model.card.get("data", [])
    train = every.take(every.split == "train")
    trained_on_it = digest(every.fingerprints) in {part["digest"] for part in parts} or (
        digest(train.fingerprints) in {part["train_digest"] for part in parts}
    )
    if trained_on_it and settings.split in ("train", "all"):
        console.warn(
            "the model was trained on faces of this split: the figures say how well it remembers, not how good it is"
        )
    elif trained_on_it and settings.split == "validation":
        console.warn("the model was chosen and calibrated on this split: the figures flatter it a little")
    elif not trained_on_it and settings.limit:
        # Data sets are known by the hash of all their files, so a part of one is not recognised.
        console.warn("with --limit it can't be told whether the model was trained on some of these faces")
    elif not trained_on_it:
        console.note("the model was not trained on this data set as it is; --split all would use all of it")


def _show(measured: dict[str, Any]) -> None:
    overall = measured["overall"]
    rows = []
    for key, title, form in ROWS:
        if key in overall:
            figure = overall[key]
            base = figure["baseline"]
            scale = 100 if form == "%" else 1
            rows.append(
                (title, number(figure, form), figure["n"], "" if base is None else f"{base * scale:.1f}")
            )
    title = f"{measured['model']} on {measured['n']} faces of {measured['name']} ({measured['split']})"
    console.table(rows, ("figure", "value (95 % interval)", "n", "baseline"), title)
    used = [(key, form) for key, form in COLUMNS if key in overall]
    names = {key: title for key, title, _ in ROWS}
    rows = [
        (f"{by} {name}", *(number(figures.get(key), form) for key, form in used))
        for by in ("age", "gender", "ethnicity")
        for name, figures in evaluation.find(measured, by).items()
    ]
    console.table(rows, ("group", *(names[key] for key, _ in used)))


def _write_page(path: Path, measured: dict[str, Any], answers: Answers, examples: Examples) -> None:
    from agebatch.pages import plots
    from agebatch.pages.shell import render, write_page
    from agebatch.pages.thumbnails import data_uri

    overall = measured["overall"]
    facts = [
        (number(overall[key], form), title, f"n = {overall[key]['n']:,}")
        for key, title, form in ROWS
        if key in overall
    ]
    svgs = []
    if measured["reliability"]:
        bins = measured["reliability"]
        svgs.append(
            plots.reliability(
                [b["confidence"] for b in bins],
                [b["accuracy"] for b in bins],
                [b["n"] for b in bins],
                title="Reliability of the gender's confidence",
            )
        )
    if np.sum(measured["confusion"]):
        svgs.append(plots.confusion(measured["confusion"], measured["bands"], title="Age bands"))
    error = metrics.errors(answers.age, evaluation.labels_of(examples))
    known = error[~np.isnan(error)]
    if len(known):
        edges = list(range(-40, 42, 2))
        svgs.append(
            plots.histogram(
                np.clip(known, -40, 40).tolist(), edges, title="Errors of age", x_label="years too old"
            )
        )
    pictures = []
    for i in evaluation.worst(answers, examples, WORST):
        sample = examples.samples[i]
        label = (
            f"{sample.age_low:g}"
            if sample.age_low == sample.age_high
            else f"{sample.age_low:g}-{sample.age_high:g}"
        )
        said = f"{answers.age[i]:.0f} ({answers.low[i]:.0f} to {answers.high[i]:.0f}), labelled {label}"
        pictures.append((data_uri(examples.pixels[i], 96), sample.file, said))
    used = [(key, form) for key, form in COLUMNS if key in overall]
    names = {key: title for key, title, _ in ROWS}
    rows = [
        (
            f"{by}: {name}",
            max(f["n"] for f in figures.values()),
            *(number(figures.get(k), form) for k, form in used),
        )
        for by in ("age", "wide age", "gender", "gender from 13 on", "ethnicity", evaluation.CROSSED)
        for name, figures in evaluation.find(measured, by).items()
    ]
    html = render(
        "evaluation.html.j2",
        measured=measured,
        facts=facts,
        plots=svgs,
        pictures=pictures,
        columns=("group", "n", *(names[key] for key, _ in used)),
        rows=rows,
    )
    write_page(path, html)
