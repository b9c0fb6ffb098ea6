"""Options of `agebatch scan`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from agebatch.cli import options
from agebatch.settings import ScanSettings as Default

FILES, FACES, MACHINE = "Which photographs", "Which faces", "Model and machine"
OUTPUT, AGAIN = "Output", "Repeated and unattended runs"

EXAMPLES = options.examples(
    "agebatch scan photos -o results.csv",
    "agebatch scan photos --dry-run",
    "agebatch scan photos -o results.parquet --html report.html",
    "agebatch scan photos -o results.csv --annotate marked --limit 100",
    'agebatch scan photos -o results.csv --exclude "*/thumbs/*" --min-face 40',
    "agebatch scan chips -o results.csv --pre-cropped",
    "find photos -newer stamp -print0 | agebatch scan --files-from - -o new.csv",
    "agebatch scan photos -o - | head",
)


def _option(*names: str, panel: str, help: str, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=panel, show_envvar=False, **more)


def add_to(app: typer.Typer) -> None:
    """Make the verb known."""
    app.command("scan", epilog=EXAMPLES)(scan)


def scan(
    *,
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="PATH...", help="Photographs and folders of them.")
    ] = None,
    output: Annotated[
        str,
        _option(
            "--output",
            "-o",
            panel=OUTPUT,
            metavar="FILE",
            help="The report: .csv, .parquet or .jsonl; - is CSV on stdout.",
        ),
    ] = Default.output,
    html: Annotated[
        str | None, _option("--html", panel=OUTPUT, metavar="FILE", help="Also a page to look at.")
    ] = Default.html,
    annotate: Annotated[
        str | None,
        _option(
            "--annotate",
            panel=OUTPUT,
            metavar="DIR",
            help="Also each photo with its faces marked, as a copy.",
        ),
    ] = Default.annotate,
    save_crops: Annotated[
        str | None,
        _option("--save-crops", panel=OUTPUT, metavar="DIR", help="Also each face as the model saw it."),
    ] = Default.save_crops,
    sidecar: Annotated[
        str | None,
        _option(
            "--sidecar", panel=OUTPUT, metavar="xmp", help="Also face regions beside each photo, for digiKam."
        ),
    ] = Default.sidecar,
    keyword_prefix: Annotated[
        str,
        _option(
            "--keyword-prefix",
            panel=OUTPUT,
            metavar="WORD",
            help="Top of the sidecars' keywords: WORD|age|30-39.",
        ),
    ] = Default.keyword_prefix,
    output_inside: Annotated[
        bool,
        _option(
            "--output-inside", panel=OUTPUT, help="Allow --annotate and --save-crops inside a scanned folder."
        ),
    ] = Default.output_inside,
    summary_json: Annotated[
        str | None,
        _option("--summary-json", panel=OUTPUT, metavar="FILE", help="How the run went, for scripts."),
    ] = Default.summary_json,
    include: Annotated[
        list[str] | None,
        _option("--include", panel=FILES, metavar="GLOB", help="Only files that match; may be repeated."),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        _option("--exclude", panel=FILES, metavar="GLOB", help="No files that match; may be repeated."),
    ] = None,
    exclude_dir: Annotated[
        list[str] | None,
        _option(
            "--exclude-dir",
            panel=FILES,
            metavar="GLOB",
            help="No folders of this name, besides .git, @eaDir, #recycle and the like.",
        ),
    ] = None,
    hidden: Annotated[
        bool, _option("--hidden", panel=FILES, help="Also files and folders whose name begins with a dot.")
    ] = Default.hidden,
    follow_symlinks: Annotated[
        bool, _option("--follow-symlinks", panel=FILES, help="Also into linked folders; loops end.")
    ] = Default.follow_symlinks,
    files_from: Annotated[
        str | None,
        _option(
            "--files-from",
            panel=FILES,
            metavar="FILE",
            help="Also the files named in FILE, one a line or separated by zero bytes; - is stdin.",
        ),
    ] = Default.files_from,
    limit: Annotated[
        int | None, _option("--limit", panel=FILES, metavar="N", help="Only the first N photographs.")
    ] = Default.limit,
    max_megapixels: Annotated[
        float,
        _option("--max-megapixels", panel=FILES, metavar="MP", help="Larger ones become `too_large`."),
    ] = Default.max_megapixels,
    dry_run: Annotated[
        bool, _option("--dry-run", panel=FILES, help="Only list on stdout what would be computed.")
    ] = Default.dry_run,
    min_face: Annotated[
        Any,
        _option(
            "--min-face",
            panel=FACES,
            metavar="PIXELS|auto",
            parser=options.auto_or_number,
            help="Smallest face, in pixels of the upright photo. auto: 4 % of the longer side, at least 20.",
        ),
    ] = "auto",
    min_score: Annotated[
        float,
        _option(
            "--min-score", panel=FACES, metavar="0.8..1", help="How sure the detector must be of a face."
        ),
    ] = Default.min_score,
    max_faces: Annotated[
        int,
        _option("--max-faces", panel=FACES, metavar="N", help="At most so many per photo, largest first."),
    ] = Default.max_faces,
    pre_cropped: Annotated[
        bool, _option("--pre-cropped", panel=FACES, help="Each picture is one face, cut out as in UTKFace.")
    ] = Default.pre_cropped,
    model: Annotated[
        str | None, _option("--model", panel=MACHINE, metavar="DIR", help="A model of your own.")
    ] = Default.model,
    device: Annotated[
        str, _option("--device", panel=MACHINE, metavar="auto|cpu|gpu", help="Where the networks run.")
    ] = Default.device,
    batch_size: Annotated[
        int | None, _option("--batch-size", panel=MACHINE, metavar="N", help="Faces per prediction.")
    ] = Default.batch_size,
    precision: Annotated[
        str,
        _option(
            "--precision",
            panel=MACHINE,
            metavar="auto|float32|mixed",
            help="auto: mixed on a GPU, or a processor that computes in bfloat16.",
        ),
    ] = Default.precision,
    workers: Annotated[
        int | None,
        _option("--workers", panel=MACHINE, metavar="N", help="Processes that read photos; one per core."),
    ] = Default.workers,
    fresh: Annotated[
        bool, _option("--fresh", panel=AGAIN, help="Start over: carry nothing over from the report.")
    ] = Default.fresh,
    prune: Annotated[
        bool, _option("--prune", panel=AGAIN, help="Drop the rows of photographs that are gone.")
    ] = Default.prune,
    retry_errors: Annotated[
        bool, _option("--retry-errors", panel=AGAIN, help="Try again what could not be read.")
    ] = Default.retry_errors,
    checksum: Annotated[
        bool, _option("--checksum", panel=AGAIN, help="Compare contents, not modification times.")
    ] = Default.checksum,
    wait: Annotated[
        float, _option("--wait", panel=AGAIN, metavar="SECONDS", help="Wait for another run to end.")
    ] = Default.wait,
    timeout: Annotated[
        float,
        _option(
            "--timeout", panel=AGAIN, metavar="SECONDS", help="Give a photo up that takes longer to read."
        ),
    ] = Default.timeout,
    strict: Annotated[
        bool, _option("--strict", panel=AGAIN, help="Exit with 6 when some photo could not be read.")
    ] = Default.strict,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    no_progress: options.NoProgress = False,
    log_format: options.LogFormat = "text",
    config: options.Config = None,
) -> None:
    """Find every face in folders of photographs and write a report: one row per face.

    A second run computes only what is new or changed, also after an interruption.
    Photographs are never written to.
    """
    options.talk(quiet=quiet, verbose=verbose, no_progress=no_progress, log_format=log_format)
    settings = Default(
        paths=tuple(paths or ()),
        output=output,
        include=tuple(include or ()),
        exclude=tuple(exclude or ()),
        exclude_dirs=tuple(exclude_dir or ()),
        hidden=hidden,
        follow_symlinks=follow_symlinks,
        files_from=files_from,
        limit=limit,
        max_megapixels=max_megapixels,
        min_face=min_face,
        min_score=min_score,
        max_faces=max_faces,
        pre_cropped=pre_cropped,
        model=model,
        device=device,
        batch_size=batch_size,
        precision=precision,
        workers=workers,
        annotate=annotate,
        save_crops=save_crops,
        sidecar=sidecar,
        keyword_prefix=keyword_prefix,
        html=html,
        dry_run=dry_run,
        fresh=fresh,
        prune=prune,
        retry_errors=retry_errors,
        checksum=checksum,
        wait=wait,
        timeout=timeout,
        strict=strict,
        summary_json=summary_json,
        output_inside=output_inside,
    )
    from agebatch.commands.scan import run  # noqa: PLC0415 - only now, so that --help stays quick

    run(settings, write_page=_write_page)


def _write_page(results: str, page: str) -> None:
    from agebatch.commands.report import write_report  # noqa: PLC0415

    write_report(results, page)
