"""Where the trials of a sweep stand: a journal file on one machine, a database for many."""

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.search.space import Space
from experiments.search.sweep_file import SweepFile
from records.errors import UserError

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
        UserError: The study is another sweep's, or the database cannot be reached.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(
            study_name=sweep.name,
            storage=_storage(folder, url),
            directions=[each.goal for each in sweep.objectives],
            load_if_exists=True,
        )
    except Exception as error:  # whatever a database driver raises
        if url is None:
            raise
        what = f"the database cannot be used ({type(error).__name__}: {str(error).splitlines()[0][:200]})"
        raise UserError(what, where="--storage", mend="mend the URL, or install its driver") from error
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
    study.pruner = _pruner(sweep)
    return study


def _storage(folder: Path, url: str | None) -> Any:
    import optuna
    from optuna.storages.journal import JournalFileBackend

    if url is not None:
        return url
    journal = folder / JOURNAL
    _mend_torn(journal)
    return optuna.storages.JournalStorage(JournalFileBackend(str(journal)))


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


def _pruner(sweep: SweepFile) -> "optuna.pruners.BasePruner":
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
