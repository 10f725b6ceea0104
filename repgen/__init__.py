"""repgen: learned representations and generative models, one idea a file."""

from repgen.autoencoder import Autoencoder, LinearAutoencoder
from repgen.claims import ClaimError, claim
from repgen.datasets import Data, DataError, load_data, load_images
from repgen.denoising import DenoisingAutoencoder
from repgen.gan import GAN
from repgen.notebook import setup
from repgen.pca import PCA
from repgen.rbm import RBM
from repgen.train import CheckpointError, History, Player, TrainingDiverged, cosine, fit, warmup_cosine
from repgen.vae import IWAE, VAE

__version__ = "0.2.0"
__all__ = [
    "GAN",
    "IWAE",
    "PCA",
    "RBM",
    "VAE",
    "Autoencoder",
    "CheckpointError",
    "ClaimError",
    "Data",
    "DataError",
    "DenoisingAutoencoder",
    "History",
    "LinearAutoencoder",
    "Player",
    "TrainingDiverged",
    "claim",
    "cosine",
    "fit",
    "load_data",
    "load_images",
    "setup",
    "warmup_cosine",
]
