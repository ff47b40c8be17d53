"""An undecorated run: receives text, gives back what it received."""


def init():
    pass


def run(data):
    return {"got": data}
