#!/bin/sh
# Make an environment for each peer: their pins conflict with ours and with each other's.
# Usage: bench/serving/envs.sh [FOLDER [PEER]] (default .bench, all); needs a package index, some minutes, and 3 GB.
set -eu
folder=${1:-.bench}
python=${PYTHON:-python3}
common="scikit-learn joblib numpy"
only=${2:-}
make_env() {
    name=$1
    [ -z "$only" ] || [ "$only" = "$name" ] || return 0
    shift
    [ -x "$folder/$name/bin/python" ] || "$python" -m venv "$folder/$name"
    # shellcheck disable=SC2086
    "$folder/$name/bin/python" -m pip install --quiet --disable-pip-version-check $common "$@"
}
make_env azureml azureml-inference-server-http inference-schema orjson pandas
make_env fastapi fastapi uvicorn uvloop httptools
make_env mlflow mlflow
make_env mlserver mlserver mlserver-sklearn "uvloop<0.22"
make_env bentoml bentoml
