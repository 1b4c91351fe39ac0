"""Which workload it is, and how its cluster is reached."""

import re
from datetime import timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator

from bot.catalog import Duration
from integrations.kubernetes.kind import Kind

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SURGE = re.compile(r"[1-9][0-9]{0,2}%|[1-9][0-9]{0,4}")


def is_name(text: str) -> bool:
    """Whether Kubernetes allows it as the name of an object."""
    return _NAME.fullmatch(text) is not None


class KubernetesSettings(BaseModel):
    """A Deployment, StatefulSet or DaemonSet, of any version of Kubernetes since 1.20."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    namespace: str = Field(examples=["shop"])
    """The namespace of the workload."""
    name: str = Field(examples=["web"])
    """The name of the workload."""
    workload: Kind = Field(default=Kind.DEPLOYMENT, examples=["statefulset"])
    """What it is: deployment, statefulset or daemonset."""
    container: str | None = Field(default=None, examples=["web"])
    """The container whose image names the version. Left out: the one named like the workload, else the first."""
    kubeconfig: Path | None = Field(default=None, examples=["/etc/kaeru/kubeconfig"])
    """The file that says how the cluster is reached. Left out: the pod's own service account, else KUBECONFIG, else ~/.kube/config."""
    context: str | None = Field(default=None, examples=["production"])
    """The context of that file. Left out: its current one."""
    timeout: Duration = Field(default=timedelta(minutes=10), examples=["10m"])
    """How long a rollout may take before it counts as failed."""
    surge: str | None = Field(default=None, examples=["100%"])
    """How many pods a Deployment may have in addition while it goes back, as a number or a share; faster, where there is room. Left out: as the workload says."""
    suspend_gitops: bool = Field(default=True, examples=[True])
    """Whether an automated sync of Argo CD or Flux that would undo the rollback is suspended (part of what is approved)."""
    argocd_namespace: str = Field(default="argocd", examples=["argocd"])
    """Where Argo CD keeps its Applications, where the workload does not say it."""
    argocd_label: str = Field(default="app.kubernetes.io/instance", examples=["app.kubernetes.io/instance"])
    """The label by which Argo CD marks what it owns, where it marks by label."""
    connect_timeout: Duration = Field(default=timedelta(seconds=5), examples=["5s"])
    """How long connecting to the API server may take."""
    read_timeout: Duration = Field(default=timedelta(seconds=10), examples=["10s"])
    """How long the API server may say nothing."""

    @field_validator("name", "container")
    @classmethod
    def _is_a_name(cls, value: str | None) -> str | None:
        if value is not None and not is_name(value):
            raise ValueError(f"{value!r} is no name of Kubernetes: lower case letters, digits, - and .")
        return value

    @field_validator("namespace", "argocd_namespace")
    @classmethod
    def _is_a_label(cls, value: str) -> str:
        if not _LABEL.fullmatch(value):
            raise ValueError(f"{value!r} is no namespace of Kubernetes: lower case letters, digits and -")
        return value

    @field_validator("surge", mode="before")
    @classmethod
    def _is_a_surge(cls, value: object) -> object:
        text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        if text is not None and not (isinstance(text, str) and _SURGE.fullmatch(text)):
            raise ValueError("surge is a number of pods or a share of them, such as 3 or 100%")
        return text

    @property
    def kind(self) -> Kind:
        """What the workload is. In kaeru.yml `kind` is the adapter's own word: `kind: kubernetes`."""
        return self.workload

    @property
    def path(self) -> str:
        """The workload's absolute path in the API."""
        return self.kind.path(self.namespace, self.name)

    @property
    def who(self) -> str:
        """The workload as people call it: `Deployment shop/web`."""
        return f"{self.kind.title} {self.namespace}/{self.name}"
