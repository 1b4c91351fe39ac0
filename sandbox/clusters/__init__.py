"""Real clusters for tests, the benchmark and the demo: a Kubernetes and a Docker Swarm of our own on this machine.

Everything comes from Debian packages (Kubernetes is compiled once from Debian's source package) and runs in
network namespaces of its own, so nothing of it is reachable from another machine and nothing of it meets a
Docker that may be running here. See docs/clusters.md.
"""
