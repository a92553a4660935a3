#!/usr/bin/env bash
# Study `conflict`, all of it: `bash studies/conflict/run.sh FOLDER [SETTING...]` from the project's root.
# A setting is a folder of its own below FOLDER. What is done is not done again, so an interrupted run
# goes on. Without settings all five are run, and the study is written. SEEDS and SETS (KEY=VALUE ...)
# change the preset, for a trial run. Settings may run side by side once FOLDER/tuned is there.
set -euo pipefail

root=$PWD
out=$(realpath -m "$1")
shift
rows="transfer adapters in_place extra_place"
normal=" transfer adapters "
seeds=${SEEDS:-0 1 2}
changes=(--set "seeds=[${seeds// /, }]")
for change in ${SETS:-}; do changes+=(--set "$change"); done
settings=("$@")
[ $# -gt 0 ] || settings=(0.5 0.0 1.0 0.25 0.75)
export PYTHONPATH=$root

begin() { # SETTING [--set ...]: parameters, corpus and base of one setting
    mkdir -p "$out/$1"
    cd "$out/$1"
    [ -e presets ] || ln -s "$root/presets" presets
    python -m stages.preset conflict --set "data.synthetic.conflict=$1" "${changes[@]}" "${@:2}"
    [ -d data/tasks ] || { python -m stages.download && python -m stages.tasks; }
    if [ ! -d models/base ]; then
        mkdir -p models
        # The text for pre-training is the same at every setting.
        if [ -d "$out/0.5/models/base" ]; then cp -r "$out/0.5/models/base" models/; else python -m stages.base; fi
    fi
}

# 1. Rates of training, at the middle setting, on valid: four trials for each row.
if [ ! -f "$out/tuned" ]; then
    begin 0.5
    for row in $rows; do
        python -m stages.tune "$row" | tee "$row.log"
        grep -o "${row}_tuned: .*" "$row.log" | sed "s/${row}_tuned: /variants.$row=/"
    done >"$out/tuned.partial"
    grep '^variants\.' "$out/tuned.partial" >"$out/tuned"
    rm "$out/tuned.partial"
fi
sets=()
while read -r line; do sets+=(--set "$line"); done <"$out/tuned"

# 2. Each setting: train all rows, choose fine-tuning's rates for each K on valid, read test.
for setting in "${settings[@]}"; do
    begin "$setting" "${sets[@]}"
    for row in $rows; do
        stage=meta_train
        [[ $normal != *" $row "* ]] || stage=train
        for seed in $seeds; do
            [ -f "models/$row/seed-$seed/variant.json" ] || python -m stages.$stage "$row" "$seed"
        done
    done
    for row in $rows; do python -m stages.rates "$row" --write; done
    for row in $rows; do
        [ -f "shots/$row.json" ] || python -m stages.shots "$row"
        grep -q '"cached"' "shots/$row.json" || python -m stages.shots "$row" --cache
    done
done

# 3. The curve.
if [ $# -eq 0 ]; then
    cd "$root"
    python -m stages.conflict "$out"/0.0 "$out"/0.25 "$out"/0.5 "$out"/0.75 "$out"/1.0
    python -m stages.study readme conflict
fi
