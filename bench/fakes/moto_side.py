"""The same for moto: S3 (put, list) and SageMaker (create a model, list models). Needs moto and boto3, nothing of ours.

python -m venv /tmp/moto && /tmp/moto/bin/pip install 'moto[s3,sagemaker]' boto3
/tmp/moto/bin/python bench/fakes/moto_side.py --count 20
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections import defaultdict
from typing import Any


def timed(work: Any) -> tuple[float, Any]:
    """Return milliseconds of processor time (a shared machine's load does not count) and what `work` returned."""
    began = time.process_time()
    result = work()
    return (time.process_time() - began) * 1000, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20)
    count = parser.parse_args().count
    os.environ |= {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
    import_moto, moto = timed(lambda: __import__("moto"))

    def on() -> Any:
        mock = moto.mock_aws()
        mock.start()
        return mock

    first_on, mock = timed(on)
    mock.stop()
    import_sdk, boto3 = timed(lambda: __import__("boto3"))
    times: dict[str, list[float]] = defaultdict(list)
    body = os.urandom(10_000)
    for _ in range(count):
        cost, mock = timed(on)
        times["activation"].append(cost)

        def first_call() -> Any:
            client = boto3.client("s3")
            client.create_bucket(Bucket="bench-bucket")
            return client

        cost, client = timed(first_call)
        times["s3 client and bucket"].append(cost)
        cost, _ = timed(lambda c=client: c.put_object(Bucket="bench-bucket", Key="k", Body=body))
        times["s3 put"].append(cost)
        cost, _ = timed(lambda c=client: c.list_objects_v2(Bucket="bench-bucket"))
        times["s3 list"].append(cost)
        cost, sagemaker = timed(lambda: boto3.client("sagemaker"))
        times["sagemaker client"].append(cost)
        role = "arn:aws:iam::123456789012:role/FakeRole"
        cost, _ = timed(lambda s=sagemaker, r=role: s.create_model(ModelName="m", ExecutionRoleArn=r))
        times["sagemaker create model"].append(cost)
        cost, _ = timed(lambda s=sagemaker: s.list_models())
        times["sagemaker list"].append(cost)
        cost, _ = timed(mock.stop)
        times["deactivation"].append(cost)
    print(
        json.dumps(
            {
                "moto": moto.__version__,
                "count": count,
                "import_moto_cpu_ms": round(import_moto, 1),
                "first_activation_cpu_ms": round(first_on, 1),
                "import_sdk_cpu_ms": round(import_sdk, 1),
                "median_cpu_ms": {name: round(statistics.median(values), 2) for name, values in times.items()},
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
