"""Shared by the tests of the widgets: models to look at, and what every widget must be."""

import base64
import io

import numpy as np
import torch
from PIL import Image


def lively(model, seed=0, factor=1):
    """The model with weights and biases that all matter."""
    generator = torch.Generator().manual_seed(seed)
    for p in model.parameters():
        p.data = torch.randn(p.shape, generator=generator) * (0.3 if p.ndim == 1 else factor * p.shape[1] ** -0.5)
    return model


def same_in_every_run(make):
    """The widget that `make` makes: made twice, it has one representation and one still picture."""
    one, two = make(), make()
    assert repr(one) == repr(two) and "0x" not in repr(one) and one.model_id not in repr(one)
    data, other = one._repr_mimebundle_()[0], two._repr_mimebundle_()[0]
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == one.model_id
    assert data["image/png"] == other["image/png"]
    picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert picture.width == 770 and len(np.unique(picture.convert("L"))) > 20
    return one
