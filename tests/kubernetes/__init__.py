"""What kaeru does on a real Kubernetes."""
