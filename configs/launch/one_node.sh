#!/usr/bin/env bash
# All GPUs of one machine under torchrun. The words are those of train.py:
#
#   bash configs/launch/one_node.sh fit --config configs/exp/kvq/sharpmind_student.yaml --data.init_args.root KVQ_FOLDER
#
# The same words go on with the run after whatever stopped it. Without torchrun the same is
#   python train.py fit --config RECIPE --config configs/trainer/ddp.yaml
# where Lightning starts the other ranks itself; under it the exit code of `train.py` (2: wrong input, 143: SIGTERM) is
# that of the command, while torchrun ends with 1 whatever the ranks ended with.
#
# GPUS=4 takes four. To use some of them, set CUDA_VISIBLE_DEVICES.
#
# Tested: two ranks and more of one machine on the CPU. Untested: GPUs, NCCL.
set -euo pipefail

# Workers decode, one thread each; a rank's own arithmetic is on its GPU.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"

# No --max-restarts: a restart would not see that a rank was told to stop. Give the same words again instead.
exec torchrun --standalone --nproc-per-node="${GPUS:-gpu}" train.py "$@" --config configs/trainer/ddp.yaml
