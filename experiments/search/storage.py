"""Where the trials of a sweep stand: a journal file on one machine, a database for many."""

import os
import re
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.search.engine import HOST, PROCESS, REASON, TAKES_UP, VALUES, VARIANT
from experiments.search.space import Space
from experiments.search.sweep_file import NAME, SweepFile
from records.errors import UserError
from records.files import parse_json
from records.secrets import without_password

if TYPE_CHECKING:
    import optuna

JOURNAL = "journal.jsonl"


def open_study(sweep: SweepFile, space: Space, folder: Path, url: str | None, seed: int) -> "optuna.Study":
    """Make the study, or take it up where it was.

    Args:
        sweep: The sweep.
        space: What it searches.
        folder: Folder of the sweep, which holds the journal.
        url: Database (``postgresql+psycopg://...``, ``mysql+pymysql://...``), or None for the journal.
        seed: Seed of the search.

    Raises:
        UserError: The study is another sweep's, its journal is damaged, or the database cannot be reached.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = _made(sweep, folder, url)
    except OSError:
        raise
    except Exception as error:  # whatever a database driver raises, or Optuna where lines of its journal are odd
        told = type(error).__name__ + ": " + (str(error).splitlines() or [""])[0][:200]
        if url is None:
            raise _damaged(folder / JOURNAL, told) from None
        what = f"the database cannot be used ({without_password(told, url)})"
        raise UserError(what, where="--storage", mend="mend the URL, or install its driver") from None
    if odd := [
        trial.number for trial in study.get_trials(deepcopy=False) if not _is_sound(trial, len(sweep.objectives))
    ]:
        raise _damaged(folder / JOURNAL if url is None else "--storage", f"trial {odd[0]} holds odd values")
    known = study.user_attrs.get("sweep")
    if known is None:
        study.set_user_attr("sweep", sweep.hash)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names([each.name for each in sweep.objectives])
    elif known != sweep.hash:
        what = "the sweep changed since its trials were run"
        raise UserError(
            what, where=str(sweep.path), mend=f"name it anew by `name:`, or give another --out than {folder}"
        )
    study.sampler = _sampler(sweep, space, seed, len(study.get_trials(deepcopy=False)))
    study.pruner = make_pruner(sweep)
    return study


def _made(sweep: SweepFile, folder: Path, url: str | None, tries: int = 5) -> "optuna.Study":
    import optuna
    from sqlalchemy.exc import IntegrityError, ProgrammingError

    try:
        return optuna.create_study(
            study_name=sweep.name,
            storage=_storage(folder, url),
            directions=[each.goal for each in sweep.objectives],
            load_if_exists=True,
        )
    except (IntegrityError, ProgrammingError):
        # Another machine makes the same tables at this moment.
        if tries == 1:
            raise
        time.sleep(1)
        return _made(sweep, folder, url, tries - 1)


def _storage(folder: Path, url: str | None) -> Any:
    import optuna
    from optuna.storages.journal import JournalFileBackend

    if url is not None:
        return url
    journal = folder / JOURNAL
    _mend_torn(journal)
    return optuna.storages.JournalStorage(JournalFileBackend(str(journal)))


def _is_sound(trial: Any, objectives: int) -> bool:
    """Whether a trial holds what a sweep puts into it, and nothing that would lead elsewhere."""
    told, own = trial.user_attrs, trial.system_attrs
    if not all(isinstance(each, dict) for each in (told, own, trial.intermediate_values, trial.params)):
        return False
    numbers = [*(trial.values or ()), *trial.intermediate_values.values(), told.get(TAKES_UP, 0)]
    return (
        all(isinstance(number, int | float) for number in numbers)
        and (trial.state.name != "COMPLETE" or len(trial.values or ()) == objectives)
        and isinstance(told.get(VALUES, {}), dict)
        and isinstance(own.get("fixed_params", {}), dict)
        and all(isinstance(told.get(name, ""), str) for name in (HOST, REASON))
        and NAME.fullmatch(str(told.get(VARIANT, "x"))) is not None
        and re.fullmatch(r"\d+ \d+", str(told.get(PROCESS) or "1 1")) is not None
    )


def _damaged(journal: Path | str, told: str) -> UserError:
    for number, line in enumerate(journal.read_bytes().splitlines() if isinstance(journal, Path) else (), 1):
        try:
            parse_json(line)
        except ValueError:
            told = f"line {number} is no JSON"
            break
    mend = "put a copy of it back, or move it aside to search anew"
    return UserError(f"the record of the trials is damaged ({told})", where=str(journal), mend=mend)


def _mend_torn(journal: Path) -> None:
    """Cut off a last line that a kill left unfinished, and the lock of who wrote it: nobody else is at work here."""
    Path(f"{journal}.lock").unlink(missing_ok=True)
    if not journal.exists():
        return
    with journal.open("r+b") as file:
        text = file.read()
        if text and not text.endswith(b"\n"):
            file.truncate(text.rfind(b"\n") + 1)
            os.fsync(file.fileno())


def _sampler(sweep: SweepFile, space: Space, seed: int, made: int) -> "optuna.samplers.BaseSampler":
    import optuna

    class Grid(optuna.samplers.GridSampler):
        """Ends no loop of Optuna's: there is none, and a point that is taken up has no number to tell it by."""

        def after_trial(self, *_: Any) -> None:
            pass

    if sweep.method == "grid":
        return Grid(space.grid(str(sweep.path)), seed=seed)
    # A search that is taken up must not draw what it drew before.
    if sweep.method == "random":
        return optuna.samplers.RandomSampler(seed=seed + made)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(seed=seed + made, multivariate=True, constant_liar=True)


def make_pruner(sweep: SweepFile) -> "optuna.pruners.BasePruner":
    """What ends trials early, as the file asks for."""
    import optuna

    told = sweep.early_terminate
    if not told:
        return optuna.pruners.NopPruner()
    eta = int(told.get("eta", 3))
    most = told.get("max_iter")
    least = told["min_iter"] if "min_iter" in told else max(1, int(told["max_iter"]) // eta ** int(told.get("s", 1)))
    return optuna.pruners.HyperbandPruner(
        min_resource=int(least), max_resource=int(most) if most else "auto", reduction_factor=eta
    )
