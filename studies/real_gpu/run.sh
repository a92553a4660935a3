#!/usr/bin/env bash
# The stages of preset real_gpu without DVC, in three parts of about ten minutes on one large GPU:
#   bash studies/real_gpu/run.sh base       download, tasks, φ
#   bash studies/real_gpu/run.sh variants   every training, whose lists dvc.yaml holds
#   bash studies/real_gpu/run.sh predict    fine-tuning, scores, report; $OUT/real_gpu.tar.gz
# A part that was cut off goes on where it stopped when it is run again: what is written is not made
# again, and a stage resumes from its own checkpoint. Preset and data are put in force before.
set -euo pipefail

OUT=${OUT:-.}
SEED=${SEED:-0}

names() { # names LIST: of dvc.yaml
  python - "$1" <<'PYTHON'
import sys
from ruamel.yaml import YAML
(lists,) = [part for part in YAML(typ="safe").load(open("dvc.yaml"))["vars"] if "trained" in part]
print(*lists[sys.argv[1]])
PYTHON
}

make() { # make FILE COMMAND...: unless FILE is there
  local file=$1 start=$SECONDS
  shift
  [[ -e $file ]] && return
  python -m "$@"
  echo "$* took $((SECONDS - start)) s"
}

base() {
  make data/raw stages.download
  make data/tasks stages.tasks
  make models/base stages.base
}

variants() {
  make "models/p2_receiver/seed-$SEED" stages.p2_receiver "$SEED"
  local name
  for name in $(names trained); do make "models/$name/seed-$SEED" stages.train "$name" "$SEED"; done
  for name in $(names meta_trained); do make "models/$name/seed-$SEED" stages.meta_train "$name" "$SEED"; done
  for name in $(names self_played); do make "models/$name/seed-$SEED" stages.p2_selfplay "$name" "$SEED"; done
}

predict() {
  local name
  for name in $(names scored); do
    make "predictions/$name.jsonl" stages.finetune "$name"
    python -m stages.score "$name"
  done
  python -m stages.floors
  python -m stages.compare
  python -m stages.report
  tar -czf "$OUT/real_gpu.tar.gz" params.yaml report metrics predictions models/base/base.json \
    data/tasks/summary.json models/*/seed-*/history.csv models/*/seed-*/variant.json
}

case ${1:-} in
  base | variants | predict) "$1" ;;
  *) sed -n '2,7p' "$0"; exit 2 ;;
esac
