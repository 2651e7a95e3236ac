"""What an S3 user wishes of a store, and whether it is denied; asked in a container with the image `control`."""

import json

DENIED = "AccessDenied"
# One line of JSON for each wish: the error's code, or none, and what came back.
_ASK = """
import json, sys, boto3
from botocore.exceptions import ClientError
s3 = boto3.client("s3", region_name="us-east-1")
def ask(verb, place):
    bucket, _, key = place.partition("/")
    if verb == "list":
        return [each["Key"] for each in s3.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents", ())]
    if verb == "make":
        return s3.create_bucket(Bucket=bucket) and None
    if verb == "get":
        return s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode(errors="replace")
    if verb == "put":
        return s3.put_object(Bucket=bucket, Key=key, Body=b"put") and None
    return s3.delete_object(Bucket=bucket, Key=key) and None
for wish in sys.argv[1:]:
    try:
        found = [None, ask(*wish.split(" ", 1))]
    except ClientError as error:
        found = [error.response["Error"]["Code"], str(error)]
    print(json.dumps(found))
"""


def asking(wishes: tuple[str, ...]) -> list[str]:
    """The command; a wish is list, get, put, delete or make, and BUCKET/KEY."""
    return ["python", "-c", _ASK, *wishes]


def answers(log: str) -> list[tuple[str | None, object]]:
    """For each wish the code with which it was refused, or None, and what was answered."""
    return [tuple(json.loads(line)) for line in log.splitlines()]
