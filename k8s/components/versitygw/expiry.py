# ruff: noqa: INP001  # a file of a ConfigMap, not of a package
"""Does what `lifecycle/` says, which versitygw does not do itself: the CronJob `versitygw-expiry`, each night.

It knows two rules, as they stand there: days until an object is deleted, and days until a replaced version is. Uploads
that were begun and left are given up after a day, as MinIO does.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3

KINDS = {"data": "versioned", "mlflow": "versioned", "scratch": "scratch"}
UPLOADS = timedelta(days=1)


def main() -> None:
    """Print for each bucket what went."""
    s3, folder, now = boto3.client("s3"), Path(__file__).parent, datetime.now(UTC)
    for bucket in (each["Name"] for each in s3.list_buckets()["Buckets"]):
        file = KINDS.get(bucket.rpartition("-")[2])
        (rule,) = json.loads((folder / f"{file}.json").read_text())["Rules"] if file else ({},)
        gone = sum(deleted(s3, bucket, batch) for batch in batches(expired(s3, bucket, rule, now)))
        print(f"{bucket}: {gone:,} expired, {given_up(s3, bucket, now - UPLOADS):,} uploads given up", flush=True)  # noqa: T201


def expired(s3: "boto3.client", bucket: str, rule: dict, now: datetime) -> Iterator[dict[str, str]]:
    """The keys, and versions, that a rule no longer keeps."""
    if "Expiration" in rule:
        before = now - timedelta(days=rule["Expiration"]["Days"])
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            yield from ({"Key": each["Key"]} for each in page.get("Contents", ()) if each["LastModified"] < before)
    if "NoncurrentVersionExpiration" in rule:
        before = now - timedelta(days=rule["NoncurrentVersionExpiration"]["NoncurrentDays"])
        yield from replaced(s3, bucket, before)


def replaced(s3: "boto3.client", bucket: str, before: datetime) -> Iterator[dict[str, str]]:
    """The versions that were replaced, or deleted, before this time: when the next newer one was made."""
    key, replaced_at = None, None
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        entries = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
        # Of a key, the newest first; a page may end in between.
        for each in sorted(
            entries, key=lambda each: (each["Key"], -each["LastModified"].timestamp(), not each["IsLatest"])
        ):
            if each["Key"] == key and replaced_at is not None and not each["IsLatest"] and replaced_at < before:
                yield {"Key": key, "VersionId": each["VersionId"]}
            key, replaced_at = each["Key"], each["LastModified"]


def batches(found: Iterator[dict[str, str]]) -> Iterator[list[dict[str, str]]]:
    """As many as one request may delete; all is listed first, because deleting would shift the listing."""
    entries = [*found]
    return (entries[start : start + 1000] for start in range(0, len(entries), 1000))


def deleted(s3: "boto3.client", bucket: str, batch: list[dict[str, str]]) -> int:
    """Delete these; how many there were."""
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": batch, "Quiet": True})
    if errors := answer.get("Errors"):
        message = f"{len(errors)} of {len(batch)} could not be deleted from {bucket}, the first: {errors[0]}"
        raise SystemExit(message)
    return len(batch)


def given_up(s3: "boto3.client", bucket: str, before: datetime) -> int:
    """Give up the uploads begun before this time; how many there were."""
    pages = s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket)
    old = [each for page in pages for each in page.get("Uploads", ()) if each["Initiated"] < before]
    for each in old:
        s3.abort_multipart_upload(Bucket=bucket, Key=each["Key"], UploadId=each["UploadId"])
    return len(old)


if __name__ == "__main__":
    main()
