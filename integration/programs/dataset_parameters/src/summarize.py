import argparse

from azureml.core import Run

parser = argparse.ArgumentParser()
parser.add_argument("--title")
parser.add_argument("--data")
args = parser.parse_args()
frame = Run.get_context().input_datasets["tabular_dataset"].to_pandas_dataframe()
print(args.title, len(frame), "sum of y", int(frame["y"].sum()))
