# ruff: noqa: INP001  # a file of a ConfigMap, not of a package
"""Makes buckets, users and rights what they should be, whatever is there already: the CronJob `minio-setup`.

versitygw attaches rights to buckets, so each bucket gets the statements of `policies/` that name it, with the users'
access keys as principals. Keys come by the environment; no argument and no file has one.
"""

import fnmatch
import json
import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from xml.etree import ElementTree as ET

import boto3
import urllib3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError

KINDS = ("data", "mlflow", "scores", "scratch")
VERSIONED = ("data", "mlflow")
ROLES = (
    *("trainer-sklearn", "trainer-spark", "registrar", "sample-data", "server", "validator"),
    *("scorer-sklearn", "scorer-spark", "pruner"),
)  # of each model; `ratchet secrets --of` derives the same keys
SHARED = ("mlflow", "backup", "restore")
FOLDER = Path(__file__).parent
RESOURCE = "arn:aws:s3:::"
SECONDS = 30


def main() -> None:
    """Users first: a policy may name only those that are there."""
    variables = os.environ
    namespaces = variables.get("NAMESPACES", "").split()
    users = {role: own_keys(role, variables) for role in (*ROLES, *SHARED)}
    policies = {role: (FOLDER / f"{role}.json").read_text() for role in users}
    for namespace in namespaces:
        for role in ROLES:
            name = f"{namespace}-{role}"
            users[name] = (name, derived(variables["MODELS_KEY"], name))
            policies[name] = policies[role].replace(":::ratchet-", f":::{namespace}-")
    server = Server()
    server.keep_users(dict(users.values()))
    principals = {users[name][0]: json.loads(text)["Statement"] for name, text in policies.items()}
    for owner in ("ratchet", *namespaces):
        for kind in KINDS:
            server.keep_bucket(f"{owner}-{kind}", principals, versioned=kind in VERSIONED)


def own_keys(role: str, variables: Mapping[str, str]) -> tuple[str, str]:
    """The access key and the secret key of a user, from its Secret."""
    prefix = role.upper().replace("-", "_")
    return variables[f"{prefix}_AWS_ACCESS_KEY_ID"], variables[f"{prefix}_AWS_SECRET_ACCESS_KEY"]


def derived(key: str, name: str) -> str:
    """The secret key of a further model's user, as `ratchet secrets --of` makes it."""

    def digest(text: str) -> str:
        return sha256(text.encode()).hexdigest()

    return digest(key + digest(key + name))[:40]


def bucket_policy(bucket: str, principals: dict[str, list[dict]]) -> dict:
    """What the users' statements allow in this bucket; users with the same rights share a statement."""
    shared: dict[str, tuple[dict, list[str]]] = {}
    for key, statements in sorted(principals.items()):
        for statement in statements:
            resources = sorted({here for each in statement["Resource"] if (here := within(bucket, each))})
            if resources:
                rights = {**statement, "Resource": resources}
                shared.setdefault(json.dumps(rights, sort_keys=True), (rights, []))[1].append(key)
    return {
        "Version": "2012-10-17",
        "Statement": [{**rights, "Principal": {"AWS": keys}} for rights, keys in shared.values()],
    }


def within(bucket: str, resource: str) -> str | None:
    """A resource with this bucket for a pattern of its name; None for other buckets and MinIO's form `name/`."""
    name, slash, objects = resource.removeprefix(RESOURCE).partition("/")
    if not fnmatch.fnmatchcase(bucket, name) or (slash and not objects):
        return None
    return f"{RESOURCE}{bucket}{slash}{objects}"


class Server:
    """versitygw, asked as its root user."""

    def __init__(self) -> None:
        self.s3 = boto3.client("s3")
        self.endpoint = os.environ["AWS_ENDPOINT_URL"]

    def keep_users(self, users: dict[str, str]) -> None:
        """These users by access key with their secret keys, and no others: a model that is gone loses its own."""
        there = {
            each.findtext("Access"): each.findtext("Secret") for each in self._admin("list-users").iter("Accounts")
        }
        for access, secret in users.items():
            if access not in there:
                self._admin("create-user", body("Account", Access=access, Secret=secret, Role="user"))
            elif there[access] != secret:
                self._admin("update-user", body("MutableProps", Secret=secret), access=access)
        for access in there.keys() - users.keys():
            self._admin("delete-user", access=access)

    def keep_bucket(self, bucket: str, principals: dict[str, list[dict]], *, versioned: bool) -> None:
        """The bucket, with its rights."""
        try:
            self.s3.create_bucket(Bucket=bucket)
        except ClientError as error:
            if error.response["Error"]["Code"] != "BucketAlreadyOwnedByYou":
                raise
        if versioned:
            self.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        self.s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(bucket_policy(bucket, principals)))

    def _admin(self, verb: str, content: bytes = b"", **query: str) -> ET.Element:
        words = "&".join(f"{name}={value}" for name, value in query.items())
        request = AWSRequest("PATCH", f"{self.endpoint}/{verb}?{words}".rstrip("?"), data=content)
        session = boto3.Session()
        S3SigV4Auth(session.get_credentials(), "s3", session.region_name).add_auth(request)
        sent = request.prepare()
        answer = urllib3.request(
            "PATCH", sent.url, body=content, headers=dict(sent.headers), timeout=SECONDS, retries=3
        )
        if answer.status >= 300:  # noqa: PLR2004  # the first that is no success
            message = f"{verb} was answered with {answer.status}: {answer.data.decode()}"
            raise SystemExit(message)
        return ET.fromstring(answer.data or b"<nothing/>")  # noqa: S314  # of the server that this sets up


def body(name: str, **fields: str) -> bytes:
    """XML with these fields."""
    element = ET.Element(name)
    for field, value in fields.items():
        ET.SubElement(element, field).text = value
    return ET.tostring(element)


if __name__ == "__main__":
    main()
