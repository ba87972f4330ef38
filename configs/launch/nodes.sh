#!/usr/bin/env bash
# Several machines under torchrun, without a scheduler. Give the same words once on every machine, with its number:
#
#   NODE=0 NODES=2 GPUS=8 HEAD=10.0.0.1 bash configs/launch/nodes.sh fit --config configs/exp/kvq/sharpmind_student.yaml
#   NODE=1 NODES=2 GPUS=8 HEAD=10.0.0.1 bash configs/launch/nodes.sh fit --config configs/exp/kvq/sharpmind_student.yaml
#
# NODE   number of this machine, from 0; the first one writes the record of the run
# NODES  how many machines
# GPUS   GPUS of each machine, the same on all
# HEAD   name or address of machine 0, as the others reach it
# PORT   free port there (29500)
#
# All machines need the checkout, the data and `--run.root` at the same relative place; the run folder must be on a disk
# that all of them see, since every rank writes its predictions, labels and candidates there, and goes on from there.
#
# Tested: two nodes of one rank each on one machine, on the CPU. Untested: real networks, GPUs, NCCL.
set -euo pipefail

: "${NODE:?number of this machine, from 0}" "${NODES:?number of machines}"
: "${GPUS:?GPUs of each machine}" "${HEAD:?name or address of machine 0}"
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"

exec torchrun \
    --nnodes="$NODES" --node-rank="$NODE" --nproc-per-node="$GPUS" \
    --master-addr="$HEAD" --master-port="${PORT:-29500}" \
    train.py "$@" --config configs/trainer/multinode.yaml --trainer.num_nodes "$NODES" --trainer.devices "$GPUS"
