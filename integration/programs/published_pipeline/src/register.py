import argparse
import os

import joblib
from azureml.core import Run

parser = argparse.ArgumentParser()
parser.add_argument("--model-name")
parser.add_argument("--model-folder")
args = parser.parse_args()

run = Run.get_context()
path = os.path.join(args.model_folder, "model.pkl")
assert joblib.load(path) is not None
run.parent.upload_file("outputs/model.pkl", path)
tags = {
    "run_id": run.parent.id,
    "mse": run.parent.get_metrics()["mse"],
    "alpha": run.parent.get_tags()["alpha"],
}
model = run.parent.register_model(model_name=args.model_name, model_path="outputs/model.pkl", tags=tags)
print(f"registered {model.name}:{model.version}")
