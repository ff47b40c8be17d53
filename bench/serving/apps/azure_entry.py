"""What a user writes for Azure's server."""

import json
import os
from pathlib import Path

import joblib
import numpy as np


def init():
    global model
    model = joblib.load(Path(os.environ["AZUREML_MODEL_DIR"], "diabetes", "model.joblib"))


def run(data):
    return {"result": model.predict(np.array(json.loads(data)["data"])).tolist()}
