"""What goes wrong with clusters. Each message is a sentence that says what to do next."""


class ClusterError(Exception):
    """A cluster could not be started, stopped or asked; the message is for people."""


class Unavailable(ClusterError):
    """This machine cannot have the cluster at all, whatever is tried again."""
