import argparse
import csv
import os

parser = argparse.ArgumentParser()
parser.add_argument("--clean")
parser.add_argument("--result")
args = parser.parse_args()
with open(os.path.join(args.clean, "clean.csv")) as file:
    prices = [float(row["price"]) for row in csv.DictReader(file)]
with open(os.path.join(args.result, "mean.txt"), "w") as file:
    file.write(str(sum(prices) / len(prices)))
