"""Kubernetes: Deployments, StatefulSets and DaemonSets as deploy targets."""
