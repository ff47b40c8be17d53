"""A run that asks for the request's headers."""


def init():
    pass


def run(data, request_headers):
    wanted = ("Content-Type", "X-Mine", "X-Request-Id", "Authorization")
    return {name: request_headers.get(name) for name in wanted}
