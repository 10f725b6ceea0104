"""An RBM that sees features and their class: it can be asked for either."""

import torch
from torch import Tensor
from torch.nn.functional import one_hot, softplus

from repgen._fast import bernoulli
from repgen.layers import pixels
from repgen.rbm import RBM


class LabelledRBM(RBM):
    """An RBM whose visible layer is features (D,) and beside them a class, one of K units on (Hinton et al. 2006;
    Larochelle & Bengio 2008).

    The K units compete: given h exactly one is on, with a softmax's probabilities. All else is as
    in ``RBM``, over the D + K visible units that ``join`` makes: p(y|x) is exact, because Z
    cancels, and a clamped class turns the machine into a generator of that class.
    Raises ValueError for no features, fewer than 2 classes, and visible units that are not Bernoulli.
    """

    def __init__(self, n_features: int, n_classes: int, n_hidden: int, **options):
        if n_classes < 2:
            raise ValueError(f"classes are told apart from 2 on, got {n_classes}")
        if n_features < 1:
            raise ValueError(f"a class stands beside at least one feature, got {n_features}")
        if options.get("visible", "bernoulli") != "bernoulli":
            raise ValueError(
                f"features beside a class are 0 or 1, visible='bernoulli'; got visible={options['visible']!r}"
            )
        super().__init__(n_features + n_classes, n_hidden, **options)
        self.n_features, self.n_classes = n_features, n_classes

    def join(self, x: Tensor, labels: Tensor) -> Tensor:
        """Features (N, D) and labels (N,), whole numbers in [0, K), as visible units (N, D + K)."""
        x = pixels(x, self.n_features)
        if labels.shape != x.shape[:1] or labels.is_floating_point():
            raise ValueError(
                f"labels are whole numbers, one for each of {len(x)}; got {labels.dtype} of shape {tuple(labels.shape)}"
            )
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < self.n_classes:
            raise ValueError(f"labels lie in 0..{self.n_classes - 1}, got {labels.min()}..{labels.max()}")
        return torch.cat([x, one_hot(labels.long(), self.n_classes).to(x)], 1)

    def hidden_free_energy(self, h: Tensor) -> Tensor:
        """-log sum_v exp(-E(v, h)), (N,), over all features and the K classes, of which one is on: p(h) = exp(-F(h)) /
        Z."""
        total = self.visible_input(h)
        features, classes = total.split([self.n_features, self.n_classes], 1)
        others = -(h @ self.hidden_bias) if self.hidden == "bernoulli" else 0.5 * (h - self.hidden_bias).square().sum(1)
        pull = ((total - self.visible_bias) * self.visible_offset).sum(1)
        return others + pull - softplus(features).sum(1) - classes.logsumexp(1)

    def feature_free_energy(self, x: Tensor) -> Tensor:
        """F(x) = -log sum_y exp(-F(x, y)), (N,), of features alone, (N, D): p(x) = exp(-F(x)) / Z."""
        return -self.log_joint(x).logsumexp(1)

    def visible_given_hidden(self, h: Tensor) -> Tensor:
        """p(v = 1|h), (N, D + K): of each feature, and of the K classes together."""
        total = self.visible_input(pixels(h, self.n_hidden))
        features, classes = total.split([self.n_features, self.n_classes], 1)
        return torch.cat([features.sigmoid(), classes.softmax(1)], 1)

    decode = visible_given_hidden

    def draw_visible(self, mean: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Features drawn one by one, and one class of the K."""
        features, classes = mean.split([self.n_features, self.n_classes], 1)
        drawn = torch.multinomial(classes, 1, generator=generator).squeeze(1)
        return torch.cat([bernoulli(features, generator), one_hot(drawn, self.n_classes).to(mean)], 1)

    def log_joint(self, x: Tensor) -> Tensor:
        """-F(x, y), (N, K), of features x (N, D) with each class: log p(x, y) but for log Z."""
        each = [torch.full((len(x),), k, device=x.device) for k in range(self.n_classes)]
        return torch.stack([-self.free_energy(self.join(x, labels)) for labels in each], 1)

    def log_p_label(self, x: Tensor) -> Tensor:
        """log p(y|x) in nats, (N, K), by the free energies of x with each class (Larochelle & Bengio 2008, eq. 2)."""
        return self.log_joint(x).log_softmax(1)
