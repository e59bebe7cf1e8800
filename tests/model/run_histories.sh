#!/usr/bin/env bash
# Holds the rules in C against the model on random histories of two and three parties, half of them with forks.
#
#   tests/model/run_histories.sh [RUNS] [SEED] [TEST]      24000 histories from seed 1 unless told otherwise
#
# TEST is the test_histories program; the environment variable TEST_HISTORIES names it too. The same seed gives the same
# histories. Two kinds of history run side by side; the first difference is told and the result is 1.
set -euo pipefail

runs=${1:-24000}
seed=${2:-1}
test=${3:-${TEST_HISTORIES:-build/tests/test_histories}}
model=$(dirname "$0")/agreement_model.py

if [ ! -x "$test" ]; then
    echo "there is no program $test: build it, or name it in TEST_HISTORIES" >&2
    exit 2
fi

one_kind() { # parties, further arguments
    python3 -B "$model" emit --parties "$1" --runs $(((runs + 3) / 4)) --seed "$seed" "${@:2}" | "$test"
}

one_kind 2 && one_kind 2 --forks &
two_parties=$!
three=0
one_kind 3 && one_kind 3 --forks || three=$?
two=0
wait "$two_parties" || two=$?
exit $((two > three ? two : three))
