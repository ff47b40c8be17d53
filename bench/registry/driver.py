"""One process with one peer: reads commands as JSON lines, answers each with the milliseconds that it took."""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from pathlib import Path


def main() -> None:
    name, folder, artifact = sys.argv[1:]
    out = sys.stdout
    sys.stdout = sys.stderr  # peers print
    path = Path(__file__).with_name("peers") / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"peer_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    peer = module.Peer(Path(folder), Path(artifact))
    print(json.dumps({"ready": True}), file=out, flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        answer: dict[str, object] = {}
        try:
            if command["do"] == "prepare":
                peer.prepare(command["count"])
            elif not hasattr(peer, command["do"]):
                answer["missing"] = True
            else:
                call, times = getattr(peer, command["do"]), []
                for _ in range(command.get("warm", 0)):
                    call()
                began = time.time()
                for _ in range(command["repeat"]):
                    start = time.perf_counter()
                    call()
                    times.append((time.perf_counter() - start) * 1000)
                answer = {"times": times, "began": began, "ended": time.time()}
        except Exception as error:  # a peer's failure is a result
            answer = {"error": f"{type(error).__name__}: {error}"[:200]}
        print(json.dumps(answer), file=out, flush=True)


main()
