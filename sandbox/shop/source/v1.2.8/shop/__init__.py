"""The tea shop, as a small HTTP service."""

VERSION = "v1.2.8"
