"""Where postmortems go: a git repository, Confluence. See README.md."""
