"""A server as one would write it by hand: FastAPI, a frame for each request, the unpickled model's `predict`.

A yardstick of `bench/serving.py`; no checks, no metrics. Usage: python bench/bare_server.py MODEL_URI PORT
"""

import sys

import mlflow
import numpy as np
import pandas as pd
import uvicorn
from fastapi import FastAPI, Request

app = FastAPI()
loaded = mlflow.pyfunc.load_model(sys.argv[1])
model = loaded.get_raw_model()
kinds = {spec.name: spec.type.to_pandas() for spec in loaded.metadata.get_input_schema().inputs}


@app.get("/ping")
async def ping() -> str:
    """Ready, because the model is loaded before the server starts."""
    return ""


@app.post("/invocations")
async def invocations(request: Request) -> dict[str, list[int]]:
    """The labels of `dataframe_split`."""
    content = (await request.json())["dataframe_split"]
    rows = pd.DataFrame(content["data"], columns=content["columns"]).astype(kinds).replace({np.nan: None})
    numbers = [name for name, kind in kinds.items() if kind == np.float64]
    return {"predictions": model.predict(rows.astype(dict.fromkeys(numbers, np.float64))).tolist()}


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="error")
