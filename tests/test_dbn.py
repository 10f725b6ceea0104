import itertools
import math

import pytest
import torch

from repgen.dbn import DBN
from repgen.evaluation.partition import exact_log_partition
from repgen.labelled_rbm import LabelledRBM


def states(n):
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=n)), dtype=torch.float64)


def shaken(model, seed=0, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    model = model.double()
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(scale * torch.randn(p.shape, generator=generator, dtype=p.dtype))
    return model


def log_p_by_counting(net, v):
    """log p(v) of a net of three layers, every state of h1 and h2 summed over."""
    below, top = net.rbms
    h = states(net.sizes[1])
    log_top = -top.free_energy(h) - exact_log_partition(top)  # (2^H,)
    logits = below.visible_input(h)
    return torch.stack(
        [((row * logits - torch.nn.functional.softplus(logits)).sum(1) + log_top).logsumexp(0) for row in v]
    )


class TestBound:
    net = shaken(DBN((4, 3, 5)))
    v = states(4)

    def test_sums_to_one(self):
        assert log_p_by_counting(self.net, self.v).logsumexp(0).item() == pytest.approx(0, abs=1e-10)

    def test_lies_below_and_its_weights_average_to_p(self):
        exact = log_p_by_counting(self.net, self.v)
        log_z = exact_log_partition(self.net.top)
        generator = torch.Generator().manual_seed(0)
        draws = self.net.bound(self.v.repeat(4000, 1), log_z, generator).view(4000, 16)
        spread = draws.exp().std(0) / math.sqrt(len(draws))
        assert (draws.exp().mean(0) - exact.exp()).abs().lt(5 * spread).all()
        gap = exact - draws.mean(0)
        assert gap.gt(0.01).any() and gap.gt(-5 * draws.std(0) / math.sqrt(len(draws))).all()

    def test_is_the_expectation_over_q(self):
        log_z = exact_log_partition(self.net.top)
        below, top = self.net.rbms
        h = states(3)
        q = below.hidden_given_visible(self.v)  # (16, 3)
        weight = (h * q[:, None].log() + (1 - h) * (1 - q[:, None]).log()).sum(2)  # (16, 8)
        logits = below.visible_input(h)
        inner = (
            (self.v[:, None] * logits - torch.nn.functional.softplus(logits)).sum(2)
            - top.free_energy(h)
            - log_z
            - weight
        )
        expected = (weight.exp() * inner).sum(1)
        generator = torch.Generator().manual_seed(1)
        draws = self.net.bound(self.v.repeat(4000, 1), log_z, generator).view(4000, 16)
        assert (draws.mean(0) - expected).abs().lt(5 * draws.std(0) / math.sqrt(len(draws))).all()

    def test_of_one_machine_is_exact(self):
        net = shaken(DBN((4, 3)))
        log_z = exact_log_partition(net.top)
        torch.testing.assert_close(net.bound(self.v, log_z), -net.top.free_energy(self.v) - log_z)

    def test_second_layer_that_mirrors_the_first_leaves_the_distribution(self):
        """The top machine begun as the first one upside down: the same p(v), the argument of Hinton et al. 2006."""
        net = shaken(DBN((4, 3, 4)), seed=3)
        below, top = net.rbms
        with torch.no_grad():
            top.weight.copy_(below.weight.T)
            top.visible_bias.copy_(below.hidden_bias)
            top.hidden_bias.copy_(below.visible_bias)
        alone = -below.free_energy(self.v) - exact_log_partition(below)
        torch.testing.assert_close(log_p_by_counting(net, self.v), alone)


class TestSample:
    def test_has_the_exact_distribution(self):
        net = shaken(DBN((3, 2, 3)), seed=5, scale=0.7)
        v = states(3)
        exact = (log_p_by_counting(net, v).exp()[:, None] * v).sum(0)  # the mean image
        means = net.sample(20000, torch.Generator().manual_seed(0), steps=30)
        assert (means.mean(0) - exact).abs().max() < 0.01

    def test_holds_the_class_asked_for(self):
        net = shaken(DBN((3, 2, 4), classes=3), seed=6)
        below, top = net.rbms
        h, labels = states(2), torch.arange(3)
        joint = torch.stack([-top.free_energy(top.join(h, labels[k].expand(4))) for k in range(3)])  # (K, 2^H)
        for k in range(3):
            exact = joint[k].softmax(0) @ below.visible_given_hidden(h)
            found = net.sample(20000, torch.Generator().manual_seed(k), steps=30, labels=k).mean(0)
            assert (found - exact).abs().max() < 0.01

    def test_one_label_for_each(self):
        net = shaken(DBN((3, 2, 4), classes=3), seed=6, scale=2.0)
        one = net.sample(8000, torch.Generator().manual_seed(0), 50, labels=torch.tensor([0, 2]).repeat(4000))
        for k, rows in ((0, one[0::2]), (2, one[1::2])):
            alone = net.sample(4000, torch.Generator().manual_seed(1), 50, labels=k)
            assert (rows.mean(0) - alone.mean(0)).abs().max() < 0.03

    def test_classes_need_a_net_with_classes(self):
        with pytest.raises(ValueError, match="without classes"):
            DBN((4, 3, 2)).sample(1, labels=1)

    def test_start_at_images_without_a_step(self):
        net = shaken(DBN((4, 3, 2)), seed=2)
        with torch.no_grad():
            for p in net.rbms[0].parameters():
                p.mul_(1000)  # features all but certain, so that their draw is no matter
        v = states(4)
        sure = net.features(v).round()
        torch.testing.assert_close(
            net.sample(16, torch.Generator().manual_seed(0), 0, start=v), net.rbms[0].visible_given_hidden(sure)
        )


class TestLabelledRBM:
    rbm = shaken(LabelledRBM(3, 4, 5))

    def test_label_probabilities_by_counting(self):
        x, h = states(3), states(5)
        counted = []
        for k in range(4):
            v = self.rbm.join(x, torch.full((8,), k))
            pairs = [(-self.rbm.energy(row.expand(32, -1), h)).logsumexp(0) for row in v]
            counted.append(torch.stack(pairs))
        torch.testing.assert_close(self.rbm.log_p_label(x), torch.stack(counted, 1).log_softmax(1))

    def test_conditionals_by_counting(self):
        h = states(5)
        pairs = list(itertools.product(states(3), range(4)))
        v = torch.stack([self.rbm.join(x[None], torch.tensor([k]))[0] for x, k in pairs])  # (32, 7), one class on
        for row in h[::7]:
            p = (-self.rbm.energy(v, row.expand(32, -1))).softmax(0)
            torch.testing.assert_close(p @ v, self.rbm.visible_given_hidden(row[None])[0])

    def test_draws_one_class_with_these_means(self):
        mean = self.rbm.visible_given_hidden(states(5)[9:10])
        drawn = self.rbm.draw_visible(mean.expand(40000, -1), torch.Generator().manual_seed(0))
        assert (drawn[:, 3:].sum(1) == 1).all() and (drawn.mean(0) - mean[0]).abs().max() < 0.015

    @pytest.mark.parametrize(
        "labels, match",
        [
            (torch.tensor([0.0]), "whole numbers"),
            (torch.tensor([4]), "lie in 0..3"),
            (torch.tensor([0, 1]), "one for each"),
        ],
    )
    def test_wrong_labels(self, labels, match):
        with pytest.raises(ValueError, match=match):
            self.rbm.join(torch.zeros(1, 3), labels)

    def test_fewer_than_two_classes(self):
        with pytest.raises(ValueError, match="from 2 on"):
            LabelledRBM(3, 1, 5)


def test_codes_and_pixels_pass_every_layer():
    net = shaken(DBN((4, 3, 2)))
    v = states(4)
    up = torch.sigmoid(
        torch.sigmoid(v @ net.rbms[0].weight + net.rbms[0].hidden_bias) @ net.rbms[1].weight + net.rbms[1].hidden_bias
    )
    torch.testing.assert_close(net.encode(v), up)
    down = torch.sigmoid(up @ net.rbms[1].weight.T + net.rbms[1].visible_bias)
    torch.testing.assert_close(net.decode(up), torch.sigmoid(down @ net.rbms[0].weight.T + net.rbms[0].visible_bias))


def test_one_layer_of_units_is_no_net():
    with pytest.raises(ValueError, match="two or more"):
        DBN((784,))


def test_options_reach_every_machine():
    assert all(rbm.binarize and len(rbm.chains) == 5 for rbm in DBN((4, 3, 2), classes=3, binarize=True, chains=5).rbms)
