"""Widgets that move through a latent space; all the computing is done by the page itself."""

from repgen.widgets.component_explorer import ComponentExplorer
from repgen.widgets.latent_map import LatentMap
from repgen.widgets.network import Network

__all__ = ["ComponentExplorer", "LatentMap", "Network"]
