"""The logging API of an interactive run: all kinds of metrics, files and folders, and reading them back."""

import os

import joblib
from azureml.core import Experiment, Workspace
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_squared_error
from sklearn.model_selection import train_test_split

ws = Workspace.get(
    os.environ["WORKSPACE_NAME"],
    subscription_id=os.environ["SUBSCRIPTION_ID"],
    resource_group=os.environ["RESOURCE_GROUP"],
)
experiment = Experiment(workspace=ws, name="logging-api")

X, y = load_diabetes(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=0)

run = experiment.start_logging(snapshot_directory=None)
run.tag("purpose", "demo")
os.makedirs("models", exist_ok=True)
for alpha in (0.1, 0.3, 1.0):
    model = Ridge(alpha=alpha).fit(X_train, y_train)
    mse = mean_squared_error(y_test, model.predict(X_test))
    run.log("alpha", alpha)
    run.log("mse", mse)
    run.log_row("by alpha", alpha=alpha, mse=mse)
    joblib.dump(model, f"models/ridge_{alpha}.pkl")
run.log("best", 0.1, description="chosen by hand")
run.log_list("folds", [0.61, 0.58, 0.64])
run.log_table("both", {"x": [1, 2, 3], "y": [0.1, 0.2, 0.3]})
run.log_confusion_matrix(
    "confusion",
    {
        "schema_type": "confusion_matrix",
        "schema_version": "v1",
        "data": {"class_labels": ["0", "1"], "matrix": [[3, 1], [0, 4]]},
    },
)
run.upload_folder(name="models", path="models")
run.upload_file(name="outputs/best.pkl", path_or_stream="models/ridge_0.1.pkl")
registered = run.register_model(model_name="ridge", model_path="outputs/best.pkl", tags={"alpha": "0.1"})
run.complete()

metrics = run.get_metrics()
print("Alphas:", metrics["alpha"])
print("Folds:", metrics["folds"], "table:", metrics["both"])
print("Confusion matrix is kept as", metrics["confusion"].split("/")[-1])
print("Files:", sorted(name for name in run.get_file_names() if name.endswith(".pkl")))
run.download_files(prefix="models", output_directory="back")
print("Back again:", sorted(os.listdir("back/models")))
print("Model:", registered.name, registered.version, "of this run:", registered.run_id == run.id)
