"""Which errors are raised through a public command while tests run.

`SUGC_ERROR_SITES=FILE python -m pytest -p tests.errors.reached ...` writes the file, processes of tests included;
`python -m tests.errors.reached FILE` writes unreached.txt anew: the errors that it lacks, each with the reason that is
known of it, which is written there by hand: why nobody causes it by a command, or what a test of it would need.
"""

import json
import os
import sys
from pathlib import Path

import tests.command as command
from tests.errors.sources import error_sites

HOOK, LIST = (Path(__file__).with_name(name) for name in ("hook", "unreached.txt"))


def start() -> None:
    """Note errors in this process and in those that tests start."""
    os.environ["SUGC_ERROR_SITES"] = os.path.abspath(os.environ["SUGC_ERROR_SITES"])
    sys.path.insert(0, str(HOOK))
    from noting import install

    install()
    os.environ["PYTHONPATH"] = os.pathsep.join([str(HOOK), os.environ.get("PYTHONPATH", "")])  # for spawned ones
    plain = command.environment

    def environment(**more: str) -> dict[str, str]:
        found = plain(**more)
        return {**found, "PYTHONPATH": os.pathsep.join([str(HOOK), found["PYTHONPATH"]])}

    command.environment = environment


def unreached(file: Path) -> tuple[list, list]:
    """Errors of the source that a public command has not raised, and those that it has."""
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    public = {(name, source) for name, source, under in lines if under}
    sites = error_sites.sites()
    reached = [site for site in sites if (site.file, site.source) in public]
    return [site for site in sites if site not in reached], reached


def listed(site: error_sites.Site) -> str:
    """A line that names an error whatever lines stand around it."""
    return f"{site.file}  {site.function}  {site.what}"


def known() -> dict[str, str]:
    """The errors of unreached.txt, each with its reason; empty where it only waits for a test."""
    lines = [line.partition("  # ") for line in LIST.read_text(encoding="utf-8").splitlines()]
    return {name: reason for name, _, reason in lines}


def main() -> None:
    """List those that were not raised; how many were goes to stderr."""
    left, reached = unreached(Path(sys.argv[1]))
    reasons = known()
    names = sorted({listed(site) for site in left})
    lines = [f"{name}  # {reasons[name]}" if reasons.get(name) else name for name in names]
    LIST.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    waiting = sum("  # " not in line for line in lines)
    told = f"{len(reached)} of {len(reached) + len(left)} errors were raised through a public command"
    print(f"{told}; {waiting} wait for a test", file=sys.stderr)


if __name__ == "__main__":
    main()
elif "SUGC_ERROR_SITES" in os.environ:
    start()  # at once: a conftest imports what is to be rewritten before pytest is configured
