import argparse

import joblib
from azureml.core import Run
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge

parser = argparse.ArgumentParser()
parser.add_argument("--alpha", type=float)
args = parser.parse_args()
run = Run.get_context()
X, y = load_diabetes(return_X_y=True)
model = Ridge(alpha=args.alpha).fit(X, y)
run.log("alpha", args.alpha)
run.log("r2", model.score(X, y))
joblib.dump(model, "outputs/ridge.pkl")
print("trained with", args.alpha)
