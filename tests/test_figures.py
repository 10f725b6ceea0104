"""Figures: what is drawn is what was given."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from repgen import figures


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def shown():
    return [ax.get_images()[0] for ax in plt.gcf().axes if ax.get_images()]


def test_images_keep_order_and_values():
    x = torch.rand(5, 1, 3, 4, generator=torch.Generator().manual_seed(0))
    figures.images(x, columns=2, titles=list("abcde"))
    drawn = shown()
    assert len(drawn) == 5
    for i, image in enumerate(drawn):
        assert np.array_equal(image.get_array(), x[i, 0])
        assert image.get_clim() == (0, 1)
    assert [ax.get_title() for ax in plt.gcf().axes[:5]] == list("abcde")


def test_signed_images_put_zero_in_the_middle():
    figures.images(torch.tensor([[-1.0, 0, 0, 3]]), signed=True)
    assert shown()[0].get_clim() == (-3, 3)


def test_rows_label_their_lines():
    x = torch.zeros(3, 16)
    figures.rows({"original": x, "copy": x + 0.5})
    labels = [ax.get_ylabel() for ax in plt.gcf().axes]
    assert [label for label in labels if label] == ["original", "copy"]
    assert shown()[3].get_array().max() == 0.5


def test_shapes_are_understood_or_refused():
    assert figures.as_images(torch.zeros(2, 6), (2, 3)).shape == (2, 2, 3)
    assert figures.as_images(torch.zeros(2, 3, 5, 4)).shape == (2, 5, 4, 3)
    for bad in (torch.zeros(2, 6), torch.zeros(0, 4, 4), torch.zeros(2, 2, 4, 4), torch.zeros(4)):
        with pytest.raises(ValueError, match="images"):
            figures.as_images(bad)


def test_scatter_puts_each_class_where_it_is():
    z, labels = torch.tensor([[0.0, 1], [2, 3], [4, 5]]), torch.tensor([7, 3, 7])
    figures.scatter(z, labels, names=[f"n{i}" for i in range(10)])
    first, second = plt.gca().collections
    assert np.array_equal(first.get_offsets(), [[2, 3]]) and first.get_label() == "n3"
    assert np.array_equal(second.get_offsets(), [[0, 1], [4, 5]]) and second.get_label() == "n7"
    with pytest.raises(ValueError, match=r"\(N, 2\)"):
        figures.scatter(torch.zeros(4, 3))


def test_curves_draw_the_numbers():
    figures.curves({"a": [3.0, 2.0], "b": torch.tensor([1.0, 0.5])}, xlabel="steps", ylabel="nats", logy=True)
    ax = plt.gca()
    assert np.array_equal(ax.lines[1].get_xydata(), [[1, 1.0], [2, 0.5]])
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_yscale()) == ("steps", "nats", "log")
