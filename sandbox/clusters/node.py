"""The processes of a one-node Kubernetes, and the flags they are started with. All of them live in its network."""

import contextlib
import json
import secrets
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.clusters.commands import run
from sandbox.clusters.dockerd import Dockerd, unmount_below
from sandbox.clusters.network import Network
from sandbox.clusters.processes import Daemon
from sandbox.clusters.shop_images import pause_image

NAME = "node-1"
CONTROL = ("etcd", "kube-apiserver")
WORKERS = ("kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet")
ROUTES = ((2, 2, 0), (4, 1, 0))  # pods and services, reached from this machine through node 0
# What the kubelet sets for the whole machine when it starts.
_KERNEL_SETTINGS = tuple(
    Path("/proc/sys", name)
    for name in (
        "vm/overcommit_memory",
        "vm/panic_on_oom",
        "kernel/panic",
        "kernel/panic_on_oops",
        "kernel/keys/root_maxkeys",
        "kernel/keys/root_maxbytes",
    )
)
_LOGS = (Path("/var/log/containers"), Path("/var/log/pods"))  # the kubelet does not let one choose
_API = ["--kube-api-qps=200", "--kube-api-burst=400"]


@contextlib.contextmanager
def kernel_settings_kept() -> Iterator[None]:
    """Put back at the end what a kubelet that starts meanwhile changes for the whole machine."""
    before = {path: path.read_text() for path in _KERNEL_SETTINGS}
    try:
        yield
    finally:
        for path, value in before.items():
            if path.read_text() != value:
                path.write_text(value)


@dataclass(frozen=True)
class KubernetesNode:
    home: Path
    network: Network
    binaries: Path

    @property
    def address(self) -> str:
        return self.network.address(0)

    @property
    def server(self) -> str:
        return f"https://{self.address}:6443"

    @property
    def kubeconfig(self) -> Path:
        return self.home / "kubeconfig"

    @property
    def authority(self) -> Path:
        """The API server's own certificate, which is also the one that vouches for it."""
        return self.home / "certificates" / "apiserver.crt"

    @property
    def docker(self) -> Dockerd:
        return Dockerd(
            self.home / "docker",
            self.network.namespace(0),
            bridge=self.network.subnet(2, 2).replace(".0/23", ".1/23"),
            pool=self.network.subnet(6),
            hostname=NAME,
            # The service proxy's rules are all there are: pods need no way out of this machine.
            filters=False,
            lowers_oom_scores=True,
        )

    @property
    def token(self) -> str:
        """The administrator's token."""
        return (self.home / "tokens.csv").read_text().split(",", 1)[0]

    def daemons(self) -> list[Daemon]:
        """Every process but Docker's, in the order in which they start."""
        return [self.daemon(name) for name in (*CONTROL, *WORKERS)]

    def daemon(self, name: str) -> Daemon:
        return Daemon(name, self.home)

    def running(self) -> bool:
        return all(daemon.running() for daemon in [self.docker.daemon, *self.daemons()])

    def prepare(self) -> None:
        """Make keys and tokens, once."""
        self.home.mkdir(parents=True, exist_ok=True)
        key = self.home / "service-accounts.key"
        if not key.exists():
            run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(key)])
        tokens = self.home / "tokens.csv"
        if not tokens.exists():
            tokens.touch(mode=0o600)
            tokens.write_text(f'{secrets.token_hex(16)},admin,admin,"system:masters"\n')

    def start(self, names: Sequence[str]) -> None:
        """Start these processes unless they run."""
        commands = self._commands()
        for name in names:
            program = self.binaries / name
            argv = [str(program) if program.exists() else name, *commands[name]]
            self.daemon(name).start(argv, network=self.network.namespace(0), hostname=NAME)

    def api_server(self, port: int) -> list[str]:
        """How one more API server is started, beside the cluster's own and on the same data."""
        program = self.binaries / "kube-apiserver"
        flags = [flag for flag in self._commands()["kube-apiserver"] if not flag.startswith("--secure-port=")]
        # The cluster's own goes on being the one that pods are led to.
        return [str(program), *flags, f"--secure-port={port}", "--endpoint-reconciler-type=none"]

    def write_kubeconfig(self) -> None:
        """Needs the certificate that the API server makes when it first starts."""
        cluster = {"server": self.server, "certificate-authority": str(self.authority)}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "kaeru-test", "cluster": cluster}],
            "users": [{"name": "admin", "user": {"token": self.token}}],
            "contexts": [{"name": "kaeru-test", "context": {"cluster": "kaeru-test", "user": "admin"}}],
            "current-context": "kaeru-test",
        }
        new = self.kubeconfig.with_suffix(".new")
        new.touch(mode=0o600)
        # JSON is YAML.
        new.write_text(json.dumps(config, indent=2))
        new.rename(self.kubeconfig)

    def remove(self) -> None:
        """End everything at once and leave nothing behind but logs."""
        for daemon in reversed(self.daemons()):
            daemon.stop(grace_s=0)
        self.docker.remove()
        unmount_below(self.home)
        self._remove_pod_logs()
        for name in ("etcd", "kubelet", "dockershim", "certificates"):
            shutil.rmtree(self.home / name, ignore_errors=True)
        for name in ("kubeconfig", "tokens.csv", "service-accounts.key", "dockershim.sock"):
            (self.home / name).unlink(missing_ok=True)

    def _remove_pod_logs(self) -> None:
        """The links that the kubelet made to our containers' logs, and folders left empty by that."""
        containers, pods = _LOGS
        logs = [*pods.glob("*/*/*.log")]
        ours = {link for link in logs if link.is_symlink() and link.readlink().is_relative_to(self.home)}
        for link in containers.glob("*.log"):
            if link.is_symlink() and link.readlink() in ours:
                link.unlink()
        for link in ours:
            link.unlink()
        for folder in [*pods.glob("*/*"), *pods.glob("*"), pods, containers]:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def _commands(self) -> dict[str, list[str]]:
        kubeconfig = f"--kubeconfig={self.kubeconfig}"
        key = self.home / "service-accounts.key"
        pods, services = self.network.subnet(2, 2), self.network.subnet(4)
        return {
            "etcd": [
                f"--data-dir={self.home / 'etcd'}",
                "--listen-client-urls=http://127.0.0.1:2379",
                "--advertise-client-urls=http://127.0.0.1:2379",
                "--listen-peer-urls=http://127.0.0.1:2380",
                # The data is worth nothing after a power cut.
                "--unsafe-no-fsync",
            ],
            "kube-apiserver": [
                "--etcd-servers=http://127.0.0.1:2379",
                f"--bind-address={self.address}",
                f"--advertise-address={self.address}",
                "--secure-port=6443",
                "--insecure-port=0",
                f"--cert-dir={self.authority.parent}",
                f"--service-cluster-ip-range={services}",
                f"--token-auth-file={self.home / 'tokens.csv'}",
                "--authorization-mode=Node,RBAC",
                "--service-account-issuer=https://kubernetes.default.svc",
                f"--service-account-key-file={key}",
                f"--service-account-signing-key-file={key}",
                # Every pod would otherwise wait for its account's secret and mount it.
                "--disable-admission-plugins=ServiceAccount",
                # Names of nodes are known to nobody here.
                "--kubelet-preferred-address-types=InternalIP",
                "--allow-privileged",
            ],
            "kube-controller-manager": [
                kubeconfig,
                *_API,
                "--leader-elect=false",
                "--port=0",
                "--bind-address=127.0.0.1",
                f"--service-account-private-key-file={key}",
                f"--root-ca-file={self.authority}",
                "--concurrent-deployment-syncs=20",
                "--concurrent-replicaset-syncs=20",
                "--concurrent-statefulset-syncs=20",
                "--concurrent-endpoint-syncs=20",
                "--concurrent-namespace-syncs=20",
                "--concurrent-serviceaccount-token-syncs=20",
                "--node-monitor-period=1s",
                "--node-monitor-grace-period=20s",
                "--horizontal-pod-autoscaler-sync-period=2s",
            ],
            "kube-scheduler": [
                kubeconfig,
                *_API,
                "--leader-elect=false",
                "--port=0",
                "--bind-address=127.0.0.1",
            ],
            "kube-proxy": [
                kubeconfig,
                f"--hostname-override={NAME}",
                f"--bind-address={self.address}",
                "--proxy-mode=iptables",
                f"--cluster-cidr={pods}",
                "--iptables-min-sync-period=100ms",
                "--metrics-bind-address=127.0.0.1:10249",
                "--healthz-bind-address=127.0.0.1:10256",
                # Connection tracking is set for the whole machine: keep what it has.
                "--conntrack-max-per-core=0",
                "--conntrack-tcp-timeout-established=0s",
                "--conntrack-tcp-timeout-close-wait=0s",
                "--oom-score-adj=0",
            ],
            "kubelet": [
                kubeconfig,
                f"--hostname-override={NAME}",
                f"--node-ip={self.address}",
                f"--address={self.address}",
                f"--root-dir={self.home / 'kubelet'}",
                f"--cert-dir={self.home / 'kubelet' / 'certificates'}",
                f"--volume-plugin-dir={self.home / 'kubelet' / 'volume-plugins'}",
                f"--experimental-dockershim-root-directory={self.home / 'dockershim'}",
                f"--container-runtime-endpoint=unix://{self.home / 'dockershim.sock'}",
                "--container-runtime=docker",
                f"--docker-endpoint={self.docker.docker_host}",
                # Where cAdvisor, the kubelet's own observer, looks; at the usual place it would wait for seconds.
                f"--docker={self.docker.docker_host}",
                f"--containerd={self.docker.containerd}",
                f"--pod-infra-container-image={pause_image().name}",
                "--feature-gates=DevicePlugins=false",
                "--cgroup-driver=cgroupfs",
                "--cgroups-per-qos=false",
                "--enforce-node-allocatable=",
                "--fail-swap-on=false",
                # This machine's disk may be as full as it likes.
                "--eviction-hard=",
                "--image-gc-high-threshold=100",
                "--image-gc-low-threshold=99",
                "--resolv-conf=",
                "--authentication-token-webhook=false",
                "--anonymous-auth=true",
                "--authorization-mode=AlwaysAllow",
                "--healthz-bind-address=127.0.0.1",
                "--read-only-port=0",
                "--max-pods=250",
                "--sync-frequency=10s",
                "--node-status-update-frequency=5s",
                # cAdvisor looks at every container so often.
                "--housekeeping-interval=60s",
                "--kube-api-qps=100",
                "--kube-api-burst=200",
                "--event-qps=0",
                "--oom-score-adj=0",
            ],
        }
