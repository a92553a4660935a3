#!/bin/bash
# A stage's ranks on the machines of a SLURM job, below DVC:
#
#     MAMLVIAPP_LAUNCHER=docs/slurm/ranks.sh dvc repro
#
# The stage calls `ranks.sh -m stages.meta_train VARIANT SEED`. Outside a job this script submits
# itself and waits for the job's end; its exit code is the job's. Within a job, also one of your own
# (salloc), it starts torchrun once on each machine. Put your site's partition, account and time here,
# or into SBATCH_PARTITION, SBATCH_ACCOUNT, SBATCH_TIMELIMIT.
#
#SBATCH --job-name=mamlviapp
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --output=logs/slurm-%j.out
set -euo pipefail

if [[ -z ${SLURM_JOB_ID:-} ]]; then
    mkdir -p logs
    submitted=$(mktemp)
    trap 'rm -f "$submitted"' EXIT
    sbatch --wait --parsable "$0" "$@" >"$submitted" &
    trap 'scancel "$(cut -d ";" -f 1 "$submitted")"; exit 143' INT TERM # sbatch itself leaves the job
    code=0
    wait $! || code=$?
    if ((code)); then
        log=logs/slurm-$(cut -d ";" -f 1 "$submitted").out
        { grep "^error: " "$log" || tail -n 30 "$log"; } >&2 || true # torchrun prints a screen more
    fi
    exit "$code"
fi

read -r first < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
export FIRST=$first PORT=$((20000 + SLURM_JOB_ID % 10000)) PER_MACHINE=${SLURM_GPUS_ON_NODE:-1}
# The first machine keeps the ranks' list; not every torchrun knows its own name, so it is told.
exec srun --kill-on-bad-exit=1 --ntasks-per-node=1 bash -c '
    exec torchrun --nnodes "$SLURM_JOB_NUM_NODES" --nproc-per-node "$PER_MACHINE" --max-restarts 0 \
        --rdzv-backend c10d --rdzv-endpoint "$FIRST:$PORT" --rdzv-id "$SLURM_JOB_ID" \
        --rdzv-conf "is_host=$((SLURM_NODEID == 0))" --local-addr "$SLURMD_NODENAME" "$@"' torchrun "$@"
