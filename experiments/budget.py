"""Count multiply-accumulates, parameters and activation memory of configs, without weights or data."""

import argparse
import sys
from pathlib import Path
from typing import Any

from records.errors import UserError
from records.files import write_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("config", nargs="+", type=Path, help="experiment files, as for train.py")
    parser.add_argument("--limit", type=float, default=120.0, help="budget, GMACs a video (default 120)")
    parser.add_argument("--json", type=Path, help="also write the figures here")


def run(args: argparse.Namespace) -> int:
    """Print the table and return 1 when a config is over the limit."""
    rows = [{"config": str(config), **figures(config)} for config in args.config]
    _show(rows, args.limit)
    if args.json:
        write_json(args.json, rows)
    over = [row["config"] for row in rows if row["gmacs"] > args.limit]
    if over:
        print(f"over {args.limit:g} GMACs: {', '.join(over)}", file=sys.stderr)
    return 1 if over else 0


def figures(config: Path) -> dict[str, Any]:
    """Efficiency figures of one experiment file.

    Raises:
        UserError: The file names no quality network with views, or branch and view do not fit.
    """
    import torch

    from metrics.efficiency import efficiency
    from runtime.build import build
    from runtime.resolve import resolved

    values = resolved(config)
    try:
        network_config = values["model"]["init_args"]["network"]
        view_config = values["data"]["init_args"]["views"]
    except (KeyError, TypeError):
        raise UserError(
            "names no model.init_args.network or no data.init_args.views",
            where=str(config),
            mend="give an experiment file such as configs/exp/kvq/sharpmind_student.yaml",
        ) from None
    with torch.device("meta"):
        network, views = build(network_config, view_config, str(config))
    shapes = {name: view.shape for name, view in views.items()}
    try:
        network.check(shapes)
        return efficiency(network, shapes)
    except ValueError as error:
        raise UserError(str(error), where=str(config)) from None


def _show(rows: list[dict[str, Any]], limit: float) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("config", "part", "GMACs", "GFLOPs", "params M", "activations MiB", f"of {limit:g} GMACs")
    for row in rows:
        for name, part in row["branches"].items():
            shown = f"{part['gmacs']:.3f}", f"{2 * part['gmacs']:.3f}", f"{part['params_m']:.3f}"
            table.add_row(Path(row["config"]).stem, name, *shown, "", "")
        share = f"{100 * row['gmacs'] / limit:.1f} %"
        total = f"{row['gmacs']:.2f}", f"{row['gflops']:.2f}", f"{row['params_m']:.2f}", f"{row['activation_mb']:.0f}"
        table.add_row(Path(row["config"]).stem, "total", *total, share, style="bold", end_section=True)
    console = Console()
    console.print(table)
    console.print(
        "One GMAC is one multiply-accumulate times 10^9; a GFLOP counts two. Norms, activations and softmax are"
    )
    console.print("left out, as by the counters that the challenge's teams used.")
    for row in rows:
        for kind in ("uncounted", "unused"):
            if row[kind]:
                console.print(f"{Path(row['config']).stem}: {kind}: {', '.join(row[kind][:10])}")
