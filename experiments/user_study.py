"""Ask people which of two systems restores an image better, and ask the metrics whether they agree.

`build` writes one HTML page that works without a network: pairs in random order, sides at random, names hidden; its
button saves the votes as CSV. `fit` reads the votes of all raters: strengths by Bradley-Terry with intervals over
images, and, for the results of `score kwaisr --json`, how each metric agrees with the people.
"""

import argparse
from pathlib import Path

from experiments.build_folder import positive
from records.errors import UserError, not_written


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One sub-command for each end of a study."""
    parts = parser.add_subparsers(dest="part", required=True, metavar="build|fit")
    build = parts.add_parser("build", help="write the page to vote on")
    build.add_argument(
        "--system", action="append", required=True, metavar="NAME=DIR", dest="systems", help="restored images; repeat"
    )
    build.add_argument("--input", type=Path, metavar="DIR", help="what was restored, shown beside the pair")
    build.add_argument("--out", type=Path, required=True, metavar="FILE.html", help="page to write")
    build.add_argument("--images", type=positive, default=20, metavar="N", help="at most so many images (default: 20)")
    build.add_argument("--side", type=positive, default=640, metavar="PX", help="longest side shown (default: 640)")
    build.add_argument("--seed", type=int, default=0, metavar="S", help="seed of what is chosen (default: 0)")
    build.set_defaults(work=build_page)
    fit = parts.add_parser("fit", help="strengths of the systems, and agreement of metrics")
    fit.add_argument("votes", nargs="+", type=Path, metavar="VOTES.csv", help="tables that the page saved")
    fit.add_argument(
        "--scores", action="append", default=[], metavar="NAME=FILE.json", help="of `score kwaisr --json`; repeat"
    )
    fit.add_argument("--json", type=Path, metavar="OUT", help="write the result here")
    fit.set_defaults(work=fit_votes)


def run(args: argparse.Namespace) -> int:
    """Do one end of the study."""
    return int(args.work(args))


def build_page(args: argparse.Namespace) -> int:
    """Write the page."""
    from experiments.preference.page import write_page
    from experiments.preference.pictures import common_images

    systems = {name: Path(folder) for name, folder in named(args.systems, "--system").items()}
    if len(systems) < 2:
        raise UserError("a comparison needs two systems", where="--system", mend="give NAME=DIR at least twice")
    images = common_images(systems, args.input, args.images, args.seed)
    pairs = write_page(args.out, images, list(systems), args.side, args.seed)
    print(f"{args.out}: {pairs} pairs of {len(images)} images; open it in a browser, vote, and save the table")
    return 0


def fit_votes(args: argparse.Namespace) -> int:
    """Print strengths and agreement."""
    from experiments.preference.result import agreements, fit, show
    from records.files import write_json
    from records.votes import read_votes

    votes = read_votes(args.votes)
    if not votes:
        raise UserError("there are no votes", where=", ".join(map(str, args.votes)), mend="vote on the page first")
    result = fit(votes)
    files = {name: Path(file) for name, file in named(args.scores, "--scores").items()}
    result["agreement"] = agreements(result["systems"], files)
    show(result)
    if args.json:
        try:
            write_json(args.json, result)
        except OSError as error:
            raise not_written(args.json, error) from None
    return 0


def named(words: list[str], option: str) -> dict[str, str]:
    """``NAME=VALUE`` words as a dict.

    Raises:
        UserError: A word has no name or no value, or a name comes twice.
    """
    found: dict[str, str] = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not (name and sign and value):
            raise UserError(f"{word!r} is not NAME=VALUE", where=option, mend="write a name, =, and a path")
        if name in found or name == "tie":
            raise UserError(f"the name {name!r} is taken", where=option, mend="give another")
        found[name] = value
    return found
