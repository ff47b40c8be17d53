"""A run decorated for a data frame."""

import pandas as pd
from inference_schema.parameter_types.pandas_parameter_type import PandasParameterType
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
from inference_schema.schema_decorators import input_schema, output_schema


def init():
    pass


@input_schema("frame", PandasParameterType(pd.DataFrame({"a": [1.0], "b": [2]})))
@output_schema(StandardPythonParameterType([1.0]))
def run(frame):
    return (frame["a"] + frame["b"]).tolist()
