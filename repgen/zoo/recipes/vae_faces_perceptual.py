"""The convolutional VAE of vae-faces, trained on to be right in the eyes of face-features instead of pixel by pixel."""

from repgen import zoo
from repgen.conv_vae import PerceptualVAE, conv_decoder, conv_encoder
from repgen.losses import squared_error
from repgen.train import fit, warmup_cosine
from repgen.zoo.recipes import vae_faces
from repgen.zoo.recipes._common import augment

data, measure = vae_faces.data, vae_faces.measure


def build():
    nets = conv_encoder(64, (8, 16, 32, 64), 2 * 32), conv_decoder(64, (8, 16, 32, 64), 32)
    return PerceptualVAE(*nets, 32, n_visible=64 * 64, distance=squared_error)


def ruler(faces):
    """x, x' -> (N,): squared error in what face-features sees, maps and texture, on the scale of vae-faces.

    Both are weighted so that two faces taken at random are half as far apart by them as they are
    by the Gaussian likelihood of vae-faces, |x - x'|^2 / (2 0.1^2).
    """
    eyes = zoo.load_pretrained("face-features", faces.x.device).requires_grad_(False)
    other = faces.x.roll(37, 0)  # another person's picture each
    far = squared_error(faces.x, other).mean() / (2 * 0.1**2)
    weights = 0.5 * far / eyes.distances(faces.x, other).mean(0)  # (2,)
    return lambda x, y: eyes.distances(x, y) @ weights


def train(model, faces, unseen, **options):
    start = zoo.load_pretrained("vae-faces", faces.x.device).state_dict()
    model.load_state_dict({name: start[name] for name in model.state_dict()})
    model.distance = ruler(faces)
    settings = {"epochs": 15, "batch_size": 30, "lr": 1e-3, "schedule": warmup_cosine()}
    return fit(model, augment(faces.x, 5), **settings | options)
