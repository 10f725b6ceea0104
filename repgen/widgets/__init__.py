"""Widgets that move through a latent space; all the computing is done by the page itself.

A new widget is a subclass of `base.Widget` (its traits, its checks, `still`) and one script beside it
with `export default { render }`, which finds forward.js (`loadNetwork`) and common.js (elements,
slider rows, pictures, the theme) before itself in the same module, and the styles in widget.css.
One that starts from whole images finds reconstruct.js there, too, where it asks for it (`base.script`);
one that passes them through autoencoders is a subclass of `reconstruct.Reconstruction`.
"""

from repgen.widgets.ask_for_a_digit import AskForADigit
from repgen.widgets.compare_codes import CompareCodes
from repgen.widgets.component_explorer import ComponentExplorer
from repgen.widgets.concept_mixer import ConceptMixer
from repgen.widgets.corrupt_and_repair import CorruptAndRepair
from repgen.widgets.draw_and_reconstruct import DrawAndReconstruct
from repgen.widgets.gibbs import Gibbs
from repgen.widgets.interpolation import Interpolation
from repgen.widgets.latent_map import LatentMap
from repgen.widgets.latent_plane import LatentPlane
from repgen.widgets.network import Network
from repgen.widgets.noise_dial import NoiseDial
from repgen.widgets.real_or_fake import RealOrFake
from repgen.widgets.style_mixer import StyleMixer
from repgen.widgets.watch_the_game import WatchTheGame, record

__all__ = [
    "AskForADigit",
    "CompareCodes",
    "ComponentExplorer",
    "ConceptMixer",
    "CorruptAndRepair",
    "DrawAndReconstruct",
    "Gibbs",
    "Interpolation",
    "LatentMap",
    "LatentPlane",
    "Network",
    "NoiseDial",
    "RealOrFake",
    "StyleMixer",
    "WatchTheGame",
    "record",
]
