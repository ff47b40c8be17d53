"""A hand-written FastAPI service."""

import os
from pathlib import Path

import joblib
import numpy as np
from fastapi import FastAPI
from pydantic import BaseModel

model = joblib.load(Path(os.environ["AZUREML_MODEL_DIR"], "diabetes", "model.joblib"))
app = FastAPI()


class Rows(BaseModel):
    data: list[list[float]]


@app.post("/score")
def score(rows: Rows):
    return {"result": model.predict(np.array(rows.data)).tolist()}
