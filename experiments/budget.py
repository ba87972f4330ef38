"""What a video costs each experiment: multiply-accumulates, parameters, memory; exit 1 when one is over the limit.

Networks and views are built from the config files on shapes alone, so neither weights nor data are needed. A GMAC is
10^9 multiply-accumulates, which is how the challenge's 120 "GFLOPs" are meant; a GFLOP here counts its two operations.
"""

import argparse
from pathlib import Path
from typing import Any

from records.errors import UserError
from records.files import write_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("config", nargs="+", type=Path, help="experiment files, as for train.py")
    parser.add_argument("--limit", type=float, default=120.0, help="GMACs that a video may cost (default 120)")
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write the figures to this file")
    parser.add_argument("--fvcore", action="store_true", help="also count with fvcore, which runs each network once")


def run(args: argparse.Namespace) -> int:
    """Print the table and return 1 when an experiment is over the limit."""
    rows = [{"config": str(path), **figures(path, args.fvcore)} for path in args.config]
    _show(rows, args.limit)
    if args.json:
        write_json(args.json, rows)
    return int(any(row["gmacs"] > args.limit for row in rows))


def figures(path: Path, fvcore: bool = False) -> dict[str, Any]:
    """Efficiency of the experiment in one file, with the layers below it.

    Raises:
        UserError: A file or a class is not there, network and views do not fit, or the cost cannot be told from shapes.
    """
    network_config, view_configs = parsed(path)
    import torch

    from metrics.efficiency import efficiency
    from runtime.build import build

    with torch.device("meta"):
        network, views = build(network_config, view_configs, str(path))
    shapes = {name: view.shape for name, view in views.items()}
    try:
        network.check(shapes)
        return efficiency(network, shapes, fvcore)
    except ValueError as error:
        raise UserError(str(error), where=f"{path}: model.init_args.network") from error
    except ModuleNotFoundError as error:
        raise UserError(str(error), where="--fvcore", mend="pip install fvcore") from None


def parsed(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Configuration of network and views in one file, put together exactly as a run would.

    Raises:
        UserError: A file is missing or wrong, or names no network or no views.
    """
    from runtime.layers import expand

    words = expand(["--config", str(path)])  # finds what is wrong with the files before torch is imported
    import jsonargparse
    from lightning import LightningDataModule, LightningModule
    from omegaconf.errors import OmegaConfBaseException

    from runtime.keys import TOP
    from runtime.parser import ShortErrorParser

    jsonargparse.set_parsing_settings(omegaconf_absolute_to_relative_paths=True)
    parser = ShortErrorParser(parser_mode="omegaconf+", default_env=False)
    parser.add_subclass_arguments(LightningModule, "model", required=False)
    parser.add_subclass_arguments(LightningDataModule, "data", required=False)
    parser.add_argument("--config", action="config")
    for key in sorted(TOP - {"config", "data", "model"}):
        parser.add_argument(f"--{key}", type=Any, default=None)
    try:
        config = parser.parse_args(words).as_dict()
    except OmegaConfBaseException as error:
        raise UserError(" ".join(str(error).split()), where=str(path), mend="mend the ${...} there") from None
    try:
        return config["model"]["init_args"]["network"], config["data"]["init_args"]["views"]
    except (KeyError, TypeError):
        raise UserError(
            "names no model.init_args.network or no data.init_args.views",
            where=str(path),
            mend="give an experiment file; runnable ones are under configs/exp",
        ) from None


def _show(rows: list[dict[str, Any]], limit: float) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(title="cost of one video", box=SIMPLE_HEAD)
    table.add_column("config", no_wrap=True)
    table.add_column("part", no_wrap=True)
    for heading in ("GMACs", "GFLOPs", "params M", "act. MiB", f"% of {limit:g} G"):
        table.add_column(heading, justify="right")
    notes = []
    for row in rows:
        name = Path(row["config"]).stem
        for part, cost in row["branches"].items():
            table.add_row("", part, f"{cost['gmacs']:.3f}", f"{2 * cost['gmacs']:.3f}", f"{cost['params_m']:.3f}")
        over = row["gmacs"] > limit
        figures = [f"{row[key]:.3f}" for key in ("gmacs", "gflops", "params_m")]
        share = f"{100 * row['gmacs'] / limit:.0f}{' OVER' if over else ''}"
        style = "bold red" if over else "bold"
        table.add_row(name, "total", *figures, f"{row['activation_mb']:.0f}", share, style=style, end_section=True)
        if row["uncounted"]:
            notes.append(f"{name}: arithmetic without a formula, not in the count: {', '.join(row['uncounted'])}")
        if unused := row["counters"]["params_unused_m"]:
            notes.append(f"{name}: {unused:.3f} M parameters are never used and not in the count")
        if "fvcore_gmacs" in row["counters"]:
            notes.append(f"{name}: fvcore counts {row['counters']['fvcore_gmacs']:.3f} GMACs, with norms")
    console = Console()
    console.print(table)
    for note in notes:
        console.print(note)
