"""A run that takes the seconds it is given."""

import json
import time


def init():
    pass


def run(data):
    seconds = json.loads(data)["seconds"]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.005)
    return {"slept": seconds}
