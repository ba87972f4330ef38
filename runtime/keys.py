"""Keys of the command line that can be checked before torch is imported; a test holds them equal to the parser's."""

import difflib

from records.errors import UserError

TOP = frozenset(
    "base budget checkpoint ckpt_path config data dry_run ema guard model paths restart return_predictions run "
    "seed_everything trainer verbose wandb weights_only".split()
)
TRAINER = frozenset(
    "accelerator accumulate_grad_batches barebones benchmark callbacks check_val_every_n_epoch default_root_dir "
    "detect_anomaly deterministic devices enable_autolog_hparams enable_checkpointing enable_model_summary "
    "enable_progress_bar fast_dev_run gradient_clip_algorithm gradient_clip_val inference_mode limit_predict_batches "
    "limit_test_batches limit_train_batches limit_val_batches log_every_n_steps logger max_epochs max_steps max_time "
    "min_epochs min_steps model_registry num_nodes num_sanity_val_steps overfit_batches plugins precision profiler "
    "reload_dataloaders_every_n_epochs strategy sync_batchnorm use_distributed_sampler val_check_interval".split()
)


def unknown(name: str, known: frozenset[str] | list[str], where: str) -> UserError:
    """The error for a key that does not exist, with the nearest that does."""
    near = difflib.get_close_matches(name.rpartition(".")[2], sorted(known), 1, cutoff=0.5)
    prefix = name.rpartition(".")[0]
    mend = (
        f"did you mean {(prefix + '.' if prefix else '') + near[0]!r}?"
        if near
        else f"known: {', '.join(sorted(known))}"
    )
    return UserError(f"no key {name!r}", where=where, mend=mend)


def check_key(dotted: str, where: str) -> None:
    """Refuse a mistyped top-level key or trainer key.

    Args:
        dotted: Key as typed, ``trainer.max_epochs`` for example, without dashes and without a trailing ``+``.
        where: File or command line, for the message.
    """
    top, _, rest = dotted.partition(".")
    if top.rstrip("+") not in TOP:
        raise unknown(top, TOP, where)
    first = rest.partition(".")[0].rstrip("+")
    if top == "trainer" and first and first not in TRAINER:
        raise unknown(f"trainer.{first}", TRAINER, where)
