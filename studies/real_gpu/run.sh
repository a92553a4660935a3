#!/usr/bin/env bash
# The stages of preset real_gpu without DVC, in three parts of about ten minutes on one large GPU:
#   bash studies/real_gpu/run.sh base       download, tasks, φ
#   bash studies/real_gpu/run.sh variants   every training, of the lists in params.yaml
#   bash studies/real_gpu/run.sh predict    fine-tuning, scores, report; $OUT/real_gpu.tar.gz
# Run an interrupted part again: it skips files that exist, and a stage resumes from its own
# checkpoint. Put preset and data in force first.
set -euo pipefail

OUT=${OUT:-.}
SEED=${SEED:-0}

names() { # names LIST: of params.yaml
  python - "$1" <<'PYTHON'
import sys
from ruamel.yaml import YAML
print(*YAML(typ="safe", pure=True).load(open("params.yaml"))[sys.argv[1]])
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
  local name list
  list=$(names trained)
  for name in $list; do make "models/$name/seed-$SEED" stages.train "$name" "$SEED"; done
  list=$(names meta_trained)
  for name in $list; do make "models/$name/seed-$SEED" stages.meta_train "$name" "$SEED"; done
  list=$(names self_played)
  for name in $list; do make "models/$name/seed-$SEED" stages.p2_selfplay "$name" "$SEED"; done
}

predict() {
  local name list
  list=$(names scored)
  for name in $list; do
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
