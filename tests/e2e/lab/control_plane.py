"""etcd, API server, controller manager and scheduler, in the lab's namespace."""

from pathlib import Path

from lab.certificates import Authority
from lab.commands import LabError, run, wait_for
from lab.network import CONTROL_PLANE, ENTER, NODE, PODS, SERVICES
from lab.processes import Processes

PORT = 6443
SERVER = f"https://{CONTROL_PLANE}:{PORT}"
NODE_NAME = "numalocal-0"
SERVERS = ("apiserver", "controller-manager", "scheduler")
KUBERNETES_SERVICE = "10.96.0.1"


def certificates(folder: Path) -> Authority:
    """Issue what every component needs to know the others."""
    authority = Authority(folder)
    names = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost")
    served = (CONTROL_PLANE, KUBERNETES_SERVICE, "127.0.0.1", *names)
    authority.issue("apiserver", "kube-apiserver", addresses=served)
    authority.issue("kubelet-client", "apiserver-kubelet-client", organization="system:masters")
    authority.issue("front-proxy", "front-proxy-client")
    authority.issue("admin", "admin", organization="system:masters")
    authority.issue("controller-manager", "system:kube-controller-manager")
    authority.issue("scheduler", "system:kube-scheduler")
    authority.issue("proxy", "system:kube-proxy")
    authority.issue(
        "kubelet",
        f"system:node:{NODE_NAME}",
        organization="system:nodes",
        addresses=(NODE, NODE_NAME),
    )
    authority.issue("service-account", "service-accounts")
    return authority


def start(
    processes: Processes, programs: Path, authority: Authority, state: Path, admin: Path
) -> None:
    """Start everything and wait until the API server is ready and its own roles exist."""
    folder = authority.folder
    etcd = ["etcd", "--data-dir", str(state / "etcd"), "--unsafe-no-fsync", "--log-level", "warn"]
    processes.start("etcd", [*ENTER, *etcd])
    api_server = [str(programs / "kube-apiserver"), *api_server_flags(folder)]
    processes.start("kube-apiserver", [*ENTER, *api_server])
    kubectl = [*ENTER, str(programs / "kubectl"), "--kubeconfig", str(admin)]
    wait_for(
        f"API server ready (see {processes.directory}/kube-apiserver.log)",
        lambda: run([*kubectl, "get", "--raw", "/readyz"]) == "ok",
        timeout_s=120,
    )
    for name in SERVERS[1:]:
        config = folder / f"{name}.kubeconfig"
        config.write_text(authority.kubeconfig(name, SERVER))
        flags = [f"--kubeconfig={config}", "--leader-elect=false", "--bind-address=127.0.0.1"]
        if name == "controller-manager":
            flags += _controller_manager_flags(folder)
        processes.start(f"kube-{name}", [*ENTER, programs / f"kube-{name}", *flags])
    _let_kube_proxy_in(kubectl)


def _let_kube_proxy_in(kubectl: list[str]) -> None:
    """Bind the role that an installer binds; the API server brings the role itself."""
    name = "lab-kube-proxy"
    try:
        run([*kubectl, "get", "clusterrolebinding", name])
    except LabError:
        flags = ["--clusterrole=system:node-proxier", "--user=system:kube-proxy"]
        run([*kubectl, "create", "clusterrolebinding", name, *flags])


def api_server_flags(
    folder: Path,
    *,
    address: str = CONTROL_PLANE,
    port: int = PORT,
    etcd: str = "http://127.0.0.1:2379",
) -> list[str]:
    """Give the API server's flags, with the certificates in a folder."""
    return [
        f"--etcd-servers={etcd}",
        f"--bind-address={address}",
        f"--advertise-address={address}",
        f"--secure-port={port}",
        f"--service-cluster-ip-range={SERVICES}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--client-ca-file={folder}/ca.crt",
        f"--tls-cert-file={folder}/apiserver.crt",
        f"--tls-private-key-file={folder}/apiserver.key",
        f"--kubelet-certificate-authority={folder}/ca.crt",
        f"--kubelet-client-certificate={folder}/kubelet-client.crt",
        f"--kubelet-client-key={folder}/kubelet-client.key",
        "--kubelet-preferred-address-types=InternalIP",
        f"--proxy-client-cert-file={folder}/front-proxy.crt",
        f"--proxy-client-key-file={folder}/front-proxy.key",
        f"--requestheader-client-ca-file={folder}/ca.crt",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-allowed-names=front-proxy-client",
        # The API server has no kube-proxy beside it: it dials pods, not service addresses.
        "--enable-aggregator-routing=true",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={folder}/service-account.crt",
        f"--service-account-signing-key-file={folder}/service-account.key",
    ]


def _controller_manager_flags(folder: Path) -> list[str]:
    return [
        f"--cluster-cidr={PODS}",
        f"--service-cluster-ip-range={SERVICES}",
        f"--root-ca-file={folder}/ca.crt",
        f"--service-account-private-key-file={folder}/service-account.key",
        "--use-service-account-credentials=true",
        # A node of the lab is off for seconds at a time; do not evict for it.
        "--node-monitor-grace-period=120s",
    ]
