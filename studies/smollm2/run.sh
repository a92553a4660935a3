#!/usr/bin/env bash
# Study `smollm2`: `bash studies/smollm2/run.sh FOLDER CORPUS BASE [ROW...]` from the project's root.
# CORPUS is Persona-chat's archive or folder, BASE a .gguf file or a folder. Each row is a piece of its
# own, the cheapest decisive ones first. What is done is not done again, so an interrupted run goes on.
# SETS (KEY=VALUE ...) change the preset, for a trial run.
set -euo pipefail

root=$PWD
out=$(realpath -m "$1") corpus=$(realpath "$2") base=$(realpath "$3")
shift 3
export PYTHONPATH=$root
changes=(--set "data.source=$corpus" --set "base.source=$base")
for change in ${SETS:-}; do changes+=(--set "$change"); done
rows=("$@")
[ $# -gt 0 ] || rows=(adapters extra_place transfer in_place start_text start)

begin() { # RUN [--set ...]: parameters, tasks and base of one run; the second takes the first's
    mkdir -p "$out/$1/models"
    cd "$out/$1"
    [ -e presets ] || ln -s "$root/presets" presets
    [ -f params.yaml ] || python -m stages.preset smollm2 "${changes[@]}" "${@:2}"
    for part in data models/base; do
        [ -d "$part" ] || [ ! -d "$out/all/$part" ] || cp -r "$out/all/$part" "$part"
    done
    [ -d data/tasks ] || { python -m stages.download && python -m stages.tasks; }
    [ -d models/base ] || python -m stages.base
}

begin all
# Rates of the adapters: their own grid, so a run of their own.
begin phi --set "finetune.lr=0.001" --set "tune.finetune={sgd: [0.1, 0.3, 1.0], adam: [0.0003, 0.001, 0.003]}"

for row in "${rows[@]}"; do
    run=all stage=train
    case $row in adapters | extra_place | priming | transfer_phi) run=phi ;; esac
    case $row in in_place* | extra_place* | priming) stage=meta_train ;; esac
    cd "$out/$run"
    [ -f "models/$row/seed-0/variant.json" ] || python -m stages.$stage "$row" 0
    # Before training: what the persona text is worth, and dialogues in the prompt. No gradient.
    [ "$row" != start_text ] || { [ -f "shots/$row.json" ] || python -m stages.shots "$row" --k 0; }
    [ "$row" == start_text ] || { [ -f "tuning/${row}_by_k.csv" ] || python -m stages.rates "$row" --write; }
    [ -f "shots/$row.json" ] || python -m stages.shots "$row"
    # A stranger's dialogues in the place of the person's; of φ itself they are in the prompt.
    case $row in start_text) how= ;; start) how=prompt ;; *) how=gradient ;; esac
    [ -z "$how" ] || grep -q '"stranger' "shots/$row.json" || python -m stages.shots "$row" --strangers $how
    case $row in start | transfer | in_place | extra_place) # samples
        [ -f "replies/$row.json" ] || python -m stages.replies "$row"
        ;;
    esac
    cd "$root"
    python -m stages.shot_tests "$out/all" "$out/phi" --study "$out/study"
done
