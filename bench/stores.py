"""What an object store for the cluster can do: starts one server on 127.0.0.1, tries it, prints a table.

Usage: python bench/stores.py PATH [--jars FOLDER] [--other PATH]. PATH is the server's binary, called minio (with mc
beside it), weed or versitygw. --jars has those of images/trainer-spark/pom.xml, for a write by Spark with S3A's magic
committer. --other is another server's binary: `ratchet copy` goes there and back.
"""

import argparse
import hashlib
import importlib.util
import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import psutil
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

ROOT = Path(__file__).parents[1]
POLICIES = ROOT / "k8s/components/object-store/policies"
SETUP = ROOT / "k8s/components/versitygw/setup.py"
KEYS = ("root-key", "root-secret-0123456789")
REGION = "us-east-1"
START_SECONDS, REST_SECONDS, SPARK_SECONDS = 60, 20, 300
KILLS, WRITE_SECONDS, WRITERS = 5, 3, 4
BUCKETS = ("ratchet-data", "ratchet-mlflow")
PART = 5 * 1024 * 1024
random.seed(7)


def free_port() -> int:
    """A port nobody listens on; far enough below 55536 for weed, which adds 10000 for gRPC."""
    while True:
        with socket.socket() as probe:
            port = random.randrange(20000, 40000)  # noqa: S311  # no secret
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def client(endpoint: str, access: str | None = None, secret: str = "", name: str = "s3") -> Any:
    """A client that does not try again; without keys an anonymous one."""
    config = Config(
        retries={"total_max_attempts": 1},
        signature_version=None if access else UNSIGNED,
        s3={"addressing_style": "path"},
    )
    keys = {"aws_access_key_id": access, "aws_secret_access_key": secret} if access else {}
    return boto3.client(name, endpoint_url=endpoint, region_name=REGION, config=config, **keys)


class Store:
    """One server as a process, with a folder of its own."""

    def __init__(self, binary: Path, folder: Path) -> None:
        self.binary, self.folder, self.port = binary.resolve(), folder, free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.root = client(self.endpoint, *KEYS)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Seconds until it answers."""
        began = time.monotonic()
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                env={**os.environ, **self.variables()},
                cwd=self.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        while time.monotonic() < began + START_SECONDS and self.process.poll() is None:
            try:
                self.root.list_buckets()
                self.ready()
            except (BotoCoreError, ClientError):
                time.sleep(0.05)
            else:
                return time.monotonic() - began
        raise SystemExit(f"{self.binary} does not answer:\n{(self.folder / 'log').read_text()[-3000:]}")  # noqa: EM102

    def ready(self) -> None:
        """Raise where it answers and can't yet keep anything."""

    def kill(self) -> None:
        """As a node's memory limit does it: at once."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(30)

    def memory(self) -> float:
        """Resident megabytes, of all processes."""
        first = psutil.Process(self.process.pid)
        return sum(each.memory_info().rss for each in (first, *first.children(recursive=True))) / 1e6

    def copy_variables(self, prefix: str) -> dict[str, str]:
        """For `ratchet copy`."""
        named = ("ENDPOINT_URL", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY")
        return {f"{prefix}AWS_{name}": value for name, value in zip(named, (self.endpoint, *KEYS), strict=True)}

    def command(self) -> list[str]:
        raise NotImplementedError

    def variables(self) -> dict[str, str]:
        raise NotImplementedError

    def grant(self, statements: dict[str, list[dict]]) -> dict[str, tuple[str, str]]:
        """Users with these rights; the keys of each."""
        raise NotImplementedError


class Minio(Store):
    """MinIO, by its client."""

    def command(self) -> list[str]:
        return [str(self.binary), "server", str(self.folder / "data"), f"--address=127.0.0.1:{self.port}", "--quiet"]

    def variables(self) -> dict[str, str]:
        user, password = KEYS
        off = {"MINIO_BROWSER": "off", "MINIO_UPDATE": "off"}
        return {"HOME": str(self.folder), "MINIO_ROOT_USER": user, "MINIO_ROOT_PASSWORD": password, **off}

    def grant(self, statements: dict[str, list[dict]]) -> dict[str, tuple[str, str]]:
        address = self.endpoint.replace("//", f"//{KEYS[0]}:{KEYS[1]}@")
        variables = {**os.environ, "HOME": str(self.folder), "MC_HOST_r": address}
        keys = {name: (name, f"{name}-secret-key") for name in statements}
        for name, each in statements.items():
            path = self.folder / "policy.json"
            path.write_text(json.dumps({"Version": "2012-10-17", "Statement": each}))
            for words in (
                ("user", "add", "r", *keys[name]),
                ("policy", "create", "r", name, str(path)),
                ("policy", "attach", "r", name, "--user", name),
            ):
                done = [str(self.binary.with_name("mc")), "admin", *words]
                subprocess.run(done, env=variables, check=True, capture_output=True, timeout=30)
        return keys


class Versitygw(Store):
    """versitygw over a folder, with the set-up of its component."""

    def command(self) -> list[str]:
        for name in ("data", "versions", "iam"):
            (self.folder / name).mkdir(exist_ok=True)
        versions, users = f"--versioning-dir={self.folder}/versions", f"--iam-dir={self.folder}/iam"
        address = f"--port=127.0.0.1:{self.port}"
        return [str(self.binary), address, "--quiet", users, "posix", versions, str(self.folder / "data")]

    def variables(self) -> dict[str, str]:
        return {"ROOT_ACCESS_KEY_ID": KEYS[0], "ROOT_SECRET_ACCESS_KEY": KEYS[1]}

    def grant(self, statements: dict[str, list[dict]]) -> dict[str, tuple[str, str]]:
        spec = importlib.util.spec_from_file_location("setup", SETUP)
        setup = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(setup)
        os.environ.update(self.copy_variables(""), AWS_REGION=REGION, AWS_DEFAULT_REGION=REGION)
        keys = {name: (name, f"{name}-secret-key") for name in statements}
        server = setup.Server()
        server.keep_users(dict(keys.values()))
        for bucket in BUCKETS:
            server.keep_bucket(bucket, statements, versioned=True)
        return keys


class Weed(Store):
    """SeaweedFS as one process."""

    def command(self) -> list[str]:
        (self.folder / "data").mkdir(exist_ok=True)
        if not hasattr(self, "ports"):
            self.ports = [f"-{name}.port={free_port()}" for name in ("master", "filer", "volume", "admin")]
        here = [f"-dir={self.folder}/data", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-s3.port={self.port}"]
        off = ["-webdav=false", "-admin.ui=false", "-master.telemetry=false", "-s3.iam.readOnly=false"]
        return [str(self.binary), "mini", *here, *self.ports, *off]

    def variables(self) -> dict[str, str]:
        return {"AWS_ACCESS_KEY_ID": KEYS[0], "AWS_SECRET_ACCESS_KEY": KEYS[1]}

    def ready(self) -> None:
        refused(lambda: self.root.create_bucket(Bucket="ready"))
        self.root.put_object(Bucket="ready", Key="ready", Body=b"x")

    def grant(self, statements: dict[str, list[dict]]) -> dict[str, tuple[str, str]]:
        users, keys = client(self.endpoint, *KEYS, name="iam"), {}
        for name, each in statements.items():
            users.create_user(UserName=name)
            policy = json.dumps({"Version": "2012-10-17", "Statement": each})
            users.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=policy)
            made = users.create_access_key(UserName=name)["AccessKey"]
            keys[name] = (made["AccessKeyId"], made["SecretAccessKey"])
        time.sleep(5)
        return keys


KINDS = {"minio": Minio, "versitygw": Versitygw, "weed": Weed}


def opened(path: Path, folder: Path) -> Store:
    """The server of a binary."""
    folder.mkdir()
    return KINDS[path.name](path, folder)


def refused(work: Callable[[], object]) -> str:
    """The code with which it is refused."""
    try:
        work()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "ALLOWED"


def content(size: int) -> bytes:
    """Random bytes."""
    return random.randbytes(size)  # noqa: S311  # no secret


def must(truth: bool, sentence: str) -> None:
    """Raise where a check's own assumption does not hold."""
    if not truth:
        raise AssertionError(sentence)


def buckets(store: Store) -> str:
    """Both made, and made again."""
    for bucket in BUCKETS:
        store.root.create_bucket(Bucket=bucket)
    return f"yes; again: {refused(lambda: store.root.create_bucket(Bucket=BUCKETS[0]))}"


def anonymous(store: Store) -> str:
    """Requests without a signature."""
    nobody = client(store.endpoint)
    store.root.put_object(Bucket=BUCKETS[0], Key="a", Body=b"a")
    reads = refused(lambda: nobody.get_object(Bucket=BUCKETS[0], Key="a"))
    return f"read {reads}, write {refused(lambda: nobody.put_object(Bucket=BUCKETS[0], Key='b', Body=b'b'))}"


def etags(store: Store) -> str:
    """MD5 of an object, digest of MD5s of one in parts, metadata kept, and names that are no plain word."""
    body = content(123_456)
    store.root.put_object(Bucket=BUCKETS[0], Key="1/ü b+c=%20.json", Body=body, Metadata={"ratchet-source-state": "x"})
    found = store.root.head_object(Bucket=BUCKETS[0], Key="1/ü b+c=%20.json")
    must(found["Metadata"] == {"ratchet-source-state": "x"}, "the metadata are others")
    plain = found["ETag"].strip('"') == hashlib.md5(body).hexdigest()  # noqa: S324  # S3's ETag
    return f"MD5: {'yes' if plain else 'no'}; in parts {multipart(store)}"


def multipart(store: Store) -> str:
    """Three parts, out of order, read back."""
    parts, name = [content(PART), content(PART), content(99)], {"Bucket": BUCKETS[0], "Key": "parts"}
    upload = store.root.create_multipart_upload(**name)["UploadId"]
    tags = {}
    for number in (3, 1, 2):
        sent = store.root.upload_part(**name, UploadId=upload, PartNumber=number, Body=parts[number - 1])
        tags[number] = sent["ETag"]
    listed = {"Parts": [{"PartNumber": number, "ETag": tags[number]} for number in (1, 2, 3)]}
    made = store.root.complete_multipart_upload(**name, UploadId=upload, MultipartUpload=listed)
    must(store.root.get_object(**name)["Body"].read() == b"".join(parts), "the parts are others")
    digest = hashlib.md5(b"".join(hashlib.md5(part).digest() for part in parts)).hexdigest()  # noqa: S324  # S3's ETag
    return "as S3" if made["ETag"].strip('"') == f"{digest}-3" else made["ETag"]


def versions(store: Store) -> str:
    """A replaced and a deleted version can be read and removed."""
    bucket, name = BUCKETS[1], {"Bucket": BUCKETS[1], "Key": "versioned"}
    store.root.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first, second = (store.root.put_object(**name, Body=body)["VersionId"] for body in (b"1", b"22"))
    store.root.delete_object(**name)
    found = store.root.list_object_versions(Bucket=bucket, Prefix="versioned")
    must([each["VersionId"] for each in found["Versions"]] == [second, first], "the versions are others")
    must(len(found["DeleteMarkers"]) == 1, "there is not one marker")
    must(store.root.get_object(**name, VersionId=first)["Body"].read() == b"1", "the first version is another")
    store.root.delete_object(**name, VersionId=first)
    gone = refused(lambda: store.root.get_object(**name, VersionId=first))
    return f"yes; a removed one: {gone}"


def lifecycle(store: Store) -> str:
    """Whether the rules are accepted; that they are followed takes days."""
    rules = json.loads((POLICIES.parent / "lifecycle/versioned.json").read_text())
    answer = refused(
        lambda: store.root.put_bucket_lifecycle_configuration(Bucket=BUCKETS[1], LifecycleConfiguration=rules)
    )
    return "accepted" if answer == "ALLOWED" else answer


def conditional(store: Store) -> str:
    """If-None-Match and If-Match of a write."""
    name = {"Bucket": BUCKETS[0], "Key": "once"}
    tag = store.root.put_object(**name, Body=b"1", IfNoneMatch="*")["ETag"]
    again = refused(lambda: store.root.put_object(**name, Body=b"2", IfNoneMatch="*"))
    store.root.put_object(**name, Body=b"2", IfMatch=tag)
    return f"If-None-Match {again}, If-Match {refused(lambda: store.root.put_object(**name, Body=b'3', IfMatch=tag))}"


def rights(store: Store) -> str:
    """Users with the policies of the trainer and of the server: what each may, and may not, by bucket and by prefix."""
    users = {
        name: json.loads((POLICIES / f"{name}.json").read_text())["Statement"]
        for name in ("trainer-sklearn", "server", "pruner")
    }
    keys = store.grant(users)
    trainer, server, pruner = (client(store.endpoint, *keys[name]) for name in users)
    model = "artifacts/1/models/m-1/artifacts/MLmodel"
    put = lambda who, bucket, key: lambda: who.put_object(Bucket=bucket, Key=key, Body=b"x")  # noqa: E731
    get = lambda who, bucket, key: lambda: who.get_object(Bucket=bucket, Key=key)  # noqa: E731
    ls = lambda who, bucket, prefix: lambda: who.list_objects_v2(Bucket=bucket, Prefix=prefix)  # noqa: E731
    rm = lambda who, bucket, key: lambda: who.delete_object(Bucket=bucket, Key=key)  # noqa: E731
    data, mlflow = BUCKETS
    may = [put(trainer, mlflow, model), put(trainer, mlflow, "artifacts/1/report.html"), get(trainer, data, "a")]
    may += [ls(trainer, data, ""), get(server, mlflow, model), ls(server, mlflow, "artifacts/1/models/m-1/")]
    may += [ls(pruner, mlflow, "artifacts/1/"), rm(pruner, mlflow, "artifacts/1/report.html")]
    may_not = [put(trainer, data, "b"), rm(trainer, data, "a"), rm(trainer, mlflow, model), ls(server, mlflow, "")]
    may_not += [get(server, mlflow, "artifacts/1/report.html"), get(server, data, "a"), put(server, mlflow, model)]
    may_not += [ls(server, data, ""), get(pruner, mlflow, model), lambda: trainer.create_bucket(Bucket="ratchet-more")]
    may_not += [lambda: server.put_bucket_policy(Bucket=mlflow, Policy=json.dumps(PUBLIC))]
    allowed = [refused(each) for each in may].count("ALLOWED")
    denied = [refused(each) for each in may_not]
    wrong = [f"{number}: {code}" for number, code in enumerate(denied) if code != "AccessDenied"]
    return f"{allowed} of {len(may)} allowed, {len(denied) - len(wrong)} of {len(denied)} denied {' '.join(wrong)}"


PUBLIC = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": "*",
            "Action": ["s3:GetObject"],
            "Resource": [f"arn:aws:s3:::{BUCKETS[1]}/*"],
        }
    ],
}


def killed(store: Store) -> str:
    """SIGKILL while four threads write, several times; what was acknowledged and what is whole afterwards."""
    sent: dict[str, str] = {}
    numbers, lost, torn = itertools.count(), 0, 0
    for _ in range(KILLS):
        ends = time.monotonic() + WRITE_SECONDS + 10
        with ThreadPoolExecutor(WRITERS) as pool:
            futures = [pool.submit(written, store, numbers, sent, ends) for _ in range(WRITERS)]
            time.sleep(WRITE_SECONDS)
            store.kill()
            for each in futures:
                each.result()
        store.start()
        for key, digest in sent.items():
            try:
                body = store.root.get_object(Bucket=BUCKETS[1], Key=key)["Body"].read()
            except ClientError:
                lost += 1
            else:
                torn += hashlib.sha256(body).hexdigest() != digest
    return f"{KILLS} kills, {len(sent):,} acknowledged, {lost} lost, {torn} changed; {listed_is_whole(store)}"


def written(store: Store, numbers: Iterator[int], sent: dict[str, str], ends: float) -> None:
    """Writes, one in ten of them in parts, until the server is gone."""
    asked = client(store.endpoint, *KEYS)
    while time.monotonic() < ends:
        number = next(numbers)
        key, body = f"killed/{number % 7}/{number}", content(random.choice((100, 40_000, 1_000_000)))  # noqa: S311
        try:
            if number % 10:
                asked.put_object(Bucket=BUCKETS[1], Key=key, Body=body)
            else:
                body = content(PART + 1)
                name = {"Bucket": BUCKETS[1], "Key": key}
                upload = asked.create_multipart_upload(**name)["UploadId"]
                tags = [
                    asked.upload_part(**name, UploadId=upload, PartNumber=part, Body=each)["ETag"]
                    for part, each in enumerate((body[:PART], body[PART:]), 1)
                ]
                parts = {"Parts": [{"PartNumber": part, "ETag": tag} for part, tag in enumerate(tags, 1)]}
                asked.complete_multipart_upload(**name, UploadId=upload, MultipartUpload=parts)
        except (BotoCoreError, ClientError):
            return
        sent[key] = hashlib.sha256(body).hexdigest()


def listed_is_whole(store: Store) -> str:
    """Whether each listed object, acknowledged or not, has the bytes of its ETag."""
    broken = count = 0
    for page in store.root.get_paginator("list_objects_v2").paginate(Bucket=BUCKETS[1], Prefix="killed/"):
        for each in page.get("Contents", ()):
            body, count = store.root.get_object(Bucket=BUCKETS[1], Key=each["Key"])["Body"].read(), count + 1
            tag = each["ETag"].strip('"')
            broken += len(body) != each["Size"] or ("-" not in tag and hashlib.md5(body).hexdigest() != tag)  # noqa: S324
    return f"{count:,} listed, {broken} torn"


SPARK = """
import sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
where = "s3a://ratchet-data/spark"
for mode in ("overwrite", "overwrite"):
    spark.range(100000).repartition(4).write.mode(mode).parquet(where)
print("rows", spark.read.parquet(where).count())
"""


def magic(store: Store, jars: Path) -> str:
    """A table written twice by Spark through the magic committer, and read."""
    names = ROOT / "images/trainer-spark/conf/spark-defaults.conf"
    lines = [line.split(None, 1) for line in names.read_text().splitlines() if line and line[0] != "#"]
    options = [f"--conf={name}={value}" for name, value in lines if "JavaOptions" not in name]
    options += [f"--jars={','.join(map(str, sorted(jars.glob('*.jar'))))}", "--master=local[2]"]
    s3a = {"endpoint": store.endpoint, "endpoint.region": REGION, "path.style.access": "true"}
    options += [f"--conf=spark.hadoop.fs.s3a.{name}={value}" for name, value in s3a.items()]
    options += ["--conf=spark.driver.bindAddress=127.0.0.1", "--conf=spark.driver.host=127.0.0.1"]
    script = store.folder / "spark.py"
    script.write_text(SPARK)
    programs = Path(sys.executable).parent
    variables = {**os.environ, **store.copy_variables(""), "AWS_REGION": REGION, "SPARK_LOCAL_IP": "127.0.0.1"}
    variables["PATH"] = f"{programs}:{os.environ['PATH']}"
    command = [str(programs / "spark-submit"), *options, str(script)]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=SPARK_SECONDS, check=False)
    if done.returncode:
        return f"FAILED: {done.stdout[:2000]}"
    found = store.root.list_objects_v2(Bucket="ratchet-data", Prefix="spark/")["Contents"]
    files = [each["Key"] for each in found if each["Size"]]
    marker = json.loads(store.root.get_object(Bucket="ratchet-data", Key="spark/_SUCCESS")["Body"].read() or b"{}")
    rows = next(line for line in done.stdout.splitlines() if line.startswith("rows"))
    left = sum("__magic" in name for name in files)
    return f"{rows}, {len(files)} files, committer {marker.get('committer')}, {left} left over"


def copies(store: Store, other: Store) -> str:
    """`ratchet copy` to the other server, and back to a second bucket; a repeat finds all there."""
    other.start()
    try:
        said = [ratchet_copy(store, other, "s3://ratchet-data", "s3://backup")]
        said += [ratchet_copy(store, other, "s3://ratchet-data", "s3://backup")]
        said += [ratchet_copy(other, store, "s3://backup/ratchet-data", "s3://ratchet-mlflow/back")]
    finally:
        other.kill()
    return "; ".join(said)


def ratchet_copy(source: Store, target: Store, from_: str, to: str) -> str:
    """What `ratchet copy` says; the target's bucket is made first."""
    bucket = to.removeprefix("s3://").split("/")[0]
    if refused(lambda: target.root.head_bucket(Bucket=bucket)) != "ALLOWED":
        target.root.create_bucket(Bucket=bucket)
    variables = {**os.environ, **source.copy_variables("FROM_"), **target.copy_variables("TO_"), "AWS_REGION": REGION}
    command = [sys.executable, "-m", "ratchet", "copy", from_, to]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=300, check=False)
    return (
        done.stdout.strip().rpartition(": ")[2] if done.returncode == 0 else f"{done.returncode}: {done.stderr.strip()}"
    )


def speed(store: Store) -> str:
    """Seconds for 1,000 small objects and for one of 200 MB, there and back, by one client."""
    began = time.monotonic()
    for number in range(1000):
        store.root.put_object(Bucket=BUCKETS[0], Key=f"small/{number}", Body=b"x" * 1000)
    small, body = time.monotonic() - began, content(200_000_000)
    began = time.monotonic()
    store.root.put_object(Bucket=BUCKETS[0], Key="large", Body=body)
    large = time.monotonic() - began
    began = time.monotonic()
    must(store.root.get_object(Bucket=BUCKETS[0], Key="large")["Body"].read() == body, "the large object is another")
    return f"{small:.1f} s for 1,000 × 1 kB; 200 MB: {large:.1f} s in, {time.monotonic() - began:.1f} s out"


@contextmanager
def served(path: Path, folder: Path) -> Iterator[Store]:
    """A server, ended with all it started."""
    store = opened(path, folder)
    try:
        yield store
    finally:
        store.kill()


def main(path: Path, jars: Path | None, other: Path | None) -> None:
    """Print a line for each check; one that fails says so and the next is tried."""
    checks: list[tuple[str, Callable[[Store], str]]] = [
        ("buckets", buckets),
        ("anonymous", anonymous),
        ("ETags, metadata", etags),
        ("versions", versions),
        ("lifecycle", lifecycle),
        ("conditional writes", conditional),
        ("users", rights),
        ("speed", speed),
    ]
    with tempfile.TemporaryDirectory() as folder, served(path, Path(folder) / "store") as store:
        row("binary", f"{path.stat().st_size / 1e6:.0f} MB")
        row("first answer", f"{store.start():.1f} s")
        time.sleep(REST_SECONDS)
        row("memory at rest", f"{store.memory():.0f} MB")
        if jars:
            checks.append(("magic committer", lambda store: magic(store, jars)))
        if other:
            checks.append(("ratchet copy", lambda store: copies(store, opened(other, Path(folder) / "other"))))
        for name, check in [*checks, ("kill -9", killed)]:
            try:
                row(name, check(store))
            except (
                ClientError,
                BotoCoreError,
                AssertionError,
                LookupError,
                OSError,
                subprocess.SubprocessError,
            ) as error:
                row(name, f"FAILED: {type(error).__name__} {error}")
        row("memory after all this", f"{store.memory():.0f} MB")


def row(name: str, found: str) -> None:
    """A line of the table, at once."""
    print(f"| {name} | {found} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--jars", type=Path)
    parser.add_argument("--other", type=Path)
    main(**vars(parser.parse_args()))
