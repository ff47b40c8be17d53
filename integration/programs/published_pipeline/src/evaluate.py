import argparse

from azureml.core import Model, Run

parser = argparse.ArgumentParser()
parser.add_argument("--model-name")
args = parser.parse_args()

run = Run.get_context()
ws = run.experiment.workspace
new = run.parent.get_metrics()["mse"]
known = Model.list(ws, name=args.model_name, latest=True)
if known:
    best = float(known[0].tags["mse"])
    print(f"in production {best}, new {new}")
    if new >= best:
        print("the new model is not better: cancelling the run")
        run.parent.cancel()
else:
    print("this is the first model")
