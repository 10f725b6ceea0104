"""repgen: learned representations and generative models, one idea a file."""

from repgen.claims import ClaimError, claim
from repgen.pca import PCA
from repgen.session import setup

__version__ = "0.1.0"
__all__ = ["PCA", "ClaimError", "claim", "setup"]
