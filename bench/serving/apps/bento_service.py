"""A BentoML service."""

import os
from pathlib import Path

import bentoml
import joblib
import numpy as np


@bentoml.service(workers=int(os.environ.get("BENCH_WORKERS", "1")))
class Score:
    def __init__(self) -> None:
        self.model = joblib.load(Path(os.environ["AZUREML_MODEL_DIR"], "diabetes", "model.joblib"))

    @bentoml.api(route="/score")
    def score(self, data: list[list[float]]) -> dict:
        return {"result": self.model.predict(np.array(data)).tolist()}
