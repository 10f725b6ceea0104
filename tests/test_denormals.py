"""What an optimiser remembers, without the numbers that make a CPU slow: exactly those go, and no weight moves for
it."""

import torch
from torch import nn

from repgen import fit
from repgen.training.amp import flush_denormals

TINY = torch.finfo(torch.float32).tiny


class LitOnce(nn.Module):
    """Two pixels with a weight each; the first is lit in the first step only."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))
        self.calls = 0

    def loss(self, x, generator=None):
        self.calls += 1
        return (x * torch.tensor([float(self.calls == 1), 1.0]) * self.weight).square().sum(1).mean()


def adam(parameters, lr):
    return torch.optim.Adam(parameters, lr, fused=True)


def momentum(parameters, lr):
    return torch.optim.SGD(parameters, lr, momentum=0.9)


def denormal(state: dict) -> int:
    return sum(int(((v != 0) & (v.abs() < TINY)).sum()) for v in state.values())


def test_only_what_is_smaller_than_a_normal_number_is_forgotten():
    weight = nn.Parameter(torch.zeros(8))
    weight.grad = torch.ones(8)
    optimizer = adam([weight], 0.1)
    optimizer.step()
    kept = [0.0, 1.0, -2 * TINY, float("inf"), float("-inf")]
    optimizer.state[weight]["exp_avg"] = torch.tensor([*kept, 1e-45, -1e-39, float("nan")])
    variance = optimizer.state[weight]["exp_avg_sq"].clone()
    flush_denormals(optimizer)
    found = optimizer.state[weight]["exp_avg"]
    assert found[:7].tolist() == [*kept, 0.0, 0.0] and found[7].isnan()
    assert torch.equal(optimizer.state[weight]["exp_avg_sq"], variance) and optimizer.state[weight]["step"] == 1


def test_a_training_leaves_none_behind_and_ends_at_the_same_weights():
    for make in (adam, momentum):
        made, x, plain = [], torch.ones(1001, 2), LitOnce()
        model = LitOnce()
        fit(
            model,
            x,
            epochs=1,
            batch_size=1,
            lr=1e-3,
            optimizer=lambda p, lr, make=make: made.append(make(p, lr)) or made[0],
            progress=False,
        )
        optimizer = make(plain.parameters(), 1e-3)
        for _ in range(1001):
            optimizer.zero_grad()
            plain.loss(x[:1]).backward()
            optimizer.step()
        assert denormal(optimizer.state[plain.weight]) == 1, "a plain loop ends with one"
        assert denormal(made[0].state[model.weight]) == 0
        assert torch.equal(model.weight, plain.weight)
