#!/usr/bin/env bash
# Study `smollm2`: `bash studies/smollm2/run.sh FOLDER CORPUS BASE [ROW...]` from the project's root.
# CORPUS is Persona-chat's archive or folder, BASE a .gguf file or a folder. Each row is a piece of its
# own, the cheapest decisive ones first. What is done is not done again, so an interrupted run goes on.
# SETS (KEY=VALUE ...) change the preset, for a trial run. SEEDS="0 1 2" trains by more seeds, in a
# folder of its own; then no strangers, cache and samples are asked for.
set -euo pipefail

root=$PWD
out=$(realpath -m "$1") corpus=$(realpath "$2") base=$(realpath "$3")
shift 3
export PYTHONPATH=$root
changes=(--set "data.source=$corpus" --set "base.source=$base")
for change in ${SETS:-}; do changes+=(--set "$change"); done
[ -z "${SEEDS:-}" ] || changes+=(--set "seeds=[${SEEDS// /, }]")
rows=("$@")
[ $# -gt 0 ] || rows=(
    adapters extra_place transfer in_place start_text transfer_text start
    transfer_fast in_place_fast in_place_first_order extra_place_unfixed transfer_phi priming
    reinit reinit_maml
)

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

text() { # ROW with persona text: what it is worth, and on ConvAI2's validation set. No gradient.
    [ -f "shots/$1.json" ] || python -m stages.shots "$1" --k 0
    scores=studies/convai2/zero_shot/$1-likelihood.json
    [ -f "$scores" ] || python -m stages.zero_shot "$1" "$corpus" --likelihood
    mkdir -p "$out/study/zero_shot"
    cp "$scores" "$out/study/zero_shot/$1.json"
}

dialogues() { # ROW: rates on valid, then test after K dialogues; of some rows controls and samples
    if [ "$1" == start ]; then # φ itself reads dialogues in the prompt
        [ -f "shots/$1.json" ] || python -m stages.shots "$1" --k 0
    else
        [ -f "tuning/${1}_by_k.csv" ] || python -m stages.rates "$1" --write
        [ -f "shots/$1.json" ] || python -m stages.shots "$1"
    fi
    [ -z "${SEEDS:-}" ] || return 0
    case $1 in start | transfer)
        grep -q '"stranger_prompted"' "shots/$1.json" ||
            python -m stages.shots "$1" --strangers prompt
        grep -q '"cached' "shots/$1.json" || python -m stages.shots "$1" --cache
        ;;
    esac
    [ "$1" != transfer ] || grep -q '"stranger"' "shots/$1.json" ||
        python -m stages.shots "$1" --strangers gradient
    case $1 in start | transfer | in_place | extra_place) # samples
        [ -f "replies/$1.json" ] || python -m stages.replies "$1"
        ;;
    esac
}

for row in "${rows[@]}"; do
    run=all stage=train
    case $row in adapters | extra_place | priming | transfer_phi) run=phi ;; esac
    case $row in in_place* | extra_place* | priming | *_maml) stage=meta_train ;; esac
    cd "$out/$run"
    for seed in ${SEEDS:-0}; do
        [ -f "models/$row/seed-$seed/variant.json" ] || python -m stages.$stage "$row" "$seed"
    done
    case $row in *_text) text "$row" ;; *) dialogues "$row" ;; esac
    cd "$root"
    python -m stages.shot_tests "$out/all" "$out/phi" --study "$out/study"
done
