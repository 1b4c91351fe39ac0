"""Makes the shop's git repository and its release folders on disk."""

from sandbox.shop.releases.builder import BuildError, Shop, build

__all__ = ["BuildError", "Shop", "build"]
