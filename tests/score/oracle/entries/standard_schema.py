"""A run with two parameters of standard types, one with a default."""

from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
from inference_schema.schema_decorators import input_schema, output_schema


def init():
    pass


@input_schema("name", StandardPythonParameterType("text"))
@input_schema("count", StandardPythonParameterType(1))
@output_schema(StandardPythonParameterType({"name": "text", "count": 1}))
def run(name, count=3):
    return {"name": name, "count": count}
