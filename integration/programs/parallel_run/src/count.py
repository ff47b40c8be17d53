import argparse
import os


def init():
    global unit
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--unit")
    args, _ = parser.parse_known_args()
    unit = args.unit


def run(mini_batch):
    print(f"run method start: {__file__}, run({len(mini_batch)} files)")
    result = []
    for path in mini_batch:
        with open(path) as file:
            result.append(f"{os.path.basename(path)}: {len(file.read().split())} {unit}")
    return result
