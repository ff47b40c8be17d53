import argparse
import csv
import os

parser = argparse.ArgumentParser()
parser.add_argument("--raw")
parser.add_argument("--clean")
args = parser.parse_args()
os.makedirs(args.clean, exist_ok=True)
with open(args.raw) as raw, open(os.path.join(args.clean, "clean.csv"), "w", newline="") as clean:
    rows = [row for row in csv.DictReader(raw) if row["price"]]
    writer = csv.DictWriter(clean, ["item", "price"])
    writer.writeheader()
    writer.writerows(rows)
print(len(rows), "rows are clean")
