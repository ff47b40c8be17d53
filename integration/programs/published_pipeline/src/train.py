import argparse
import os

import joblib
from azureml.core import Run
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_squared_error
from sklearn.model_selection import train_test_split

parser = argparse.ArgumentParser()
parser.add_argument("--alpha", type=float)
parser.add_argument("--model-folder")
args = parser.parse_args()

run = Run.get_context()
X, y = load_diabetes(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=0)
model = Ridge(alpha=args.alpha).fit(X_train, y_train)
mse = mean_squared_error(y_test, model.predict(X_test))
run.log("alpha", args.alpha)
run.log("mse", mse)
run.parent.log("mse", mse)
run.parent.tag("alpha", str(args.alpha))
os.makedirs(args.model_folder, exist_ok=True)
joblib.dump(model, os.path.join(args.model_folder, "model.pkl"))
