import json
import os

import joblib


def init():
    global model
    model = joblib.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], "ridge.pkl"))


def run(data):
    rows = json.loads(data)["data"]
    return {"result": model.predict(rows).tolist()}
