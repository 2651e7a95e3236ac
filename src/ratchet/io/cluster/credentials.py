"""Access to a cluster: its address and the client's credentials.

Inside of a pod both are files that the kubelet keeps up to date. Outside, the package `kubernetes` reads the
kubeconfig; only there is it imported.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ratchet.errors import ConfigurationError

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True)
class Credentials:
    """The address of the API and how to authenticate.

    authorization: returns the value of the header, called for each request since tokens expire; None if a certificate
    is used. ca_file: the certificate authority of the server; None: the system's.
    """

    address: str
    authorization: Callable[[], str | None]
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    verify: bool = True


def found(context: str | None) -> Credentials:
    """The access of a context of the kubeconfig; None is the pod's own inside of a cluster, else the current one."""
    return (inside() if context is None else None) or outside(context)


def inside(variables: Mapping[str, str] = os.environ, account: Path = _ACCOUNT) -> Credentials | None:
    """The access of the pod that this process runs in; None outside a pod, or in one without a token."""
    host, port = variables.get("KUBERNETES_SERVICE_HOST"), variables.get("KUBERNETES_SERVICE_PORT")
    token = account / "token"
    if not host or not port or not token.is_file():
        return None
    address = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    # The kubelet replaces the token before it expires, so it is read anew for each request.
    return Credentials(address, lambda: f"Bearer {token.read_text(encoding='ascii').strip()}", str(account / "ca.crt"))


def outside(context: str | None = None) -> Credentials:
    """The access of a context of the kubeconfig (None: the current one); raises ConfigurationError without one."""
    try:
        from kubernetes import client, config
    except ModuleNotFoundError as error:
        message = "reading a kubeconfig needs the package kubernetes: install the group cluster"
        raise ConfigurationError(message) from error
    found = client.Configuration()
    try:
        config.load_kube_config(context=context, client_configuration=found)
    except (config.ConfigException, OSError) as error:
        message = f"the kubeconfig names no cluster to ask: {' '.join(str(error).split())}"
        raise ConfigurationError(message) from error
    return Credentials(
        address=found.host,
        authorization=lambda: found.get_api_key_with_prefix("authorization"),
        ca_file=found.ssl_ca_cert,
        cert_file=found.cert_file,
        key_file=found.key_file,
        verify=found.verify_ssl,
    )
