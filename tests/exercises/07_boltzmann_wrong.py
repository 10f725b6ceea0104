"""Answers to assignment 07_boltzmann that are wrong, as students write them.

One list for each answer cell: what went wrong, and the change to the solution that makes it so (the text that
is replaced, and what takes its place). `tests/test_exercises.py` hands them in; each has to lose its points.
"""

WRONG = {
    "q1a_energy": [
        ("every image with every code", "((v @ W) * h).sum(1)", "((v @ W) @ h.T).sum(1)"),
        ("the sign", "return -pull - v @ b - h @ c", "return pull + v @ b + h @ c"),
        ("the hidden biases forgotten", " - h @ c", ""),
        ("the visible biases forgotten", " - v @ b", ""),
        ("one number for the batch", "((v @ W) * h).sum(1)", "((v @ W) * h).sum()"),
        ("a mean over hidden units", "((v @ W) * h).sum(1)", "((v @ W) * h).mean(1)"),
        ("biases with the other sign", "- v @ b - h @ c", "+ v @ b + h @ c"),
    ],
    "q1b_hidden_given_visible": [
        ("the bias forgotten", "v @ W + c", "v @ W"),
        ("the sign of the energy", "torch.sigmoid(total)", "torch.sigmoid(-total)"),
        ("a softmax: one unit for all", "torch.sigmoid(total)", "total.softmax(1)"),
        ("an odd, not a probability", "torch.sigmoid(total)", "total.exp()"),
        ("a quotient that overflows", "torch.sigmoid(total)", "total.exp() / (1 + total.exp())"),
        ("drawn", "torch.sigmoid(total)", "torch.bernoulli(torch.sigmoid(total))"),
    ],
    "q2_free_energy": [
        ("an overflow", "F.softplus(v @ W + c)", "(1 + (v @ W + c).exp()).log()"),
        ("the sign", "return -(v @ b) - hidden.sum(1)", "return v @ b + hidden.sum(1)"),
        ("the energy of the mean code", "F.softplus(v @ W + c)", "(v @ W + c) * torch.sigmoid(v @ W + c)"),
        ("the visible biases forgotten", "-(v @ b) - hidden", "-hidden"),
        ("the hidden biases outside", "F.softplus(v @ W + c)", "F.softplus(v @ W) + c"),
        ("a mean over hidden units", "hidden.sum(1)", "hidden.mean(1)"),
        ("the best code alone", "F.softplus(v @ W + c)", "F.relu(v @ W + c)"),
        ("one number for the batch", "hidden.sum(1)", "hidden.sum()"),
    ],
    "q3_gibbs_step": [
        ("the hidden units' means", "(u_hidden < torch.sigmoid(v @ W + c)).to(v.dtype)", "torch.sigmoid(v @ W + c)"),
        ("the visible units' means", "return (u_visible < back).to(v.dtype)", "return back"),
        ("rounded, not drawn", "u_visible < back", "back > 0.5"),
        ("hidden units rounded", "u_hidden < torch", "0.5 < torch"),
        ("above for below", "u_visible < back", "u_visible > back"),
        ("the same chance twice", "u_visible < back", "u_hidden < back"),
        ("chance of its own", "u_hidden < torch", "torch.rand_like(u_hidden) < torch"),
        ("the biases exchanged", "h @ W.T + b", "h @ W.T + c"),
        ("the weights not transposed", "h @ W.T + b", "h @ W + b"),
        ("truth values for numbers", "return (u_visible < back).to(v.dtype)", "return u_visible < back"),
    ],
    "q4_log_partition": [
        ("an overflow", "torch.logsumexp(log_terms, dim=0).item()", "log_terms.exp().sum().log().item()"),
        (
            "the mean over states",
            "torch.logsumexp(log_terms, dim=0)",
            "(torch.logsumexp(log_terms, dim=0) - math.log(len(h)))",
        ),
        ("Z, not its logarithm", "torch.logsumexp(log_terms, dim=0)", "log_terms.exp().sum()"),
        ("the hidden biases forgotten", "h @ c + F", "F"),
        ("the visible biases forgotten", "h @ W.T + b", "h @ W.T"),
        ("the best state alone", "torch.logsumexp(log_terms, dim=0)", "log_terms.max()"),
        (
            "the sign of the energy",
            "h @ c + F.softplus(h @ W.T + b).sum(1)",
            "-(h @ c) + F.softplus(-(h @ W.T + b)).sum(1)",
        ),
        ("a tensor for a number", "dim=0).item()", "dim=0)"),
        ("the sum inside the logarithm", "F.softplus(h @ W.T + b).sum(1)", "F.softplus((h @ W.T + b).sum(1))"),
    ],
    "q5_weight_gradient": [
        ("the wrong way", "return model - data", "return data - model"),
        ("only the data", "return model - data", "return -data"),
        ("not divided by N", " / len(v)", ""),
        ("all states equally probable", "p = log_p.softmax(0)", "p = torch.ones_like(log_p) / len(log_p)"),
        ("the sign of the free energy", "log_p.softmax(0)", "(-log_p).softmax(0)"),
        ("the hidden part left out of p(v)", "every @ b + F.softplus(every @ W + c).sum(1)", "every @ b"),
        ("rounded codes", "data = v.T @ torch.sigmoid(v @ W + c)", "data = v.T @ (v @ W + c > 0).double()"),
        ("the hidden biases forgotten", "data = v.T @ torch.sigmoid(v @ W + c)", "data = v.T @ torch.sigmoid(v @ W)"),
        (
            "autograd for a derivation",
            "return model - data",
            "w = W.clone().requires_grad_()\n"
            "    cost = (every @ b + F.softplus(every @ w + c).sum(1)).logsumexp(0)\n"
            "    cost = cost - (v @ b + F.softplus(v @ w + c).sum(1)).mean()\n"
            "    return torch.autograd.grad(cost, w)[0]",
        ),
    ],
    "q6a_cd_gradient": [
        ("uphill", "return by_w, by_b, by_c", "return -by_w, -by_b, -by_c"),
        ("sums for means", "end.T @ h_end / len(end) - v.T @ h / len(v)", "end.T @ h_end - v.T @ h"),
        ("the end's codes forgotten", "end.T @ h_end / len(end)", "end.T @ h[: len(end)] / len(end)"),
        ("one divisor for both", "end.T @ h_end / len(end)", "end.T @ h_end / len(v)"),
        ("the hidden biases' sign", "h_end.mean(0) - h.mean(0)", "h.mean(0) - h_end.mean(0)"),
        ("the biases exchanged", "return by_w, by_b, by_c", "return by_w, by_c, by_b"),
        ("codes drawn", "torch.sigmoid(end @ W + c)", "torch.bernoulli(torch.sigmoid(end @ W + c))"),
        ("codes without biases", "torch.sigmoid(v @ W + c)", "torch.sigmoid(v @ W)"),
        ("a product of means", "v.T @ h / len(v)", "torch.outer(v.mean(0), h.mean(0))"),
    ],
    "q7a_weight_growth": [
        (
            "t outside the softplus",
            "F.softplus(now * total) - F.softplus(last * total)",
            "(now - last) * F.softplus(total)",
        ),
        ("the base forgotten", "v @ (b - a)", "v @ b"),
        ("the base added", "v @ (b - a)", "v @ (b + a)"),
        ("the wrong way round", "return visible + hidden.sum(1)", "return -visible - hidden.sum(1)"),
        ("the hidden biases not annealed", "total = v @ W + c", "total = v @ W"),
        ("all of it, not the growth", "F.softplus(now * total) - F.softplus(last * total)", "F.softplus(now * total)"),
        (
            "a quotient that overflows",
            "F.softplus(now * total) - F.softplus(last * total)",
            "((1 + (now * total).exp()) / (1 + (last * total).exp())).log()",
        ),
        ("one number for all chains", "hidden.sum(1)", "hidden.sum()"),
    ],
    "q7b_log_z": [
        (
            "the mean of logarithms",
            "[(end.log() + most + log_z0).item() for end in ends]",
            "[(log_w.mean() + s * 3 * log_w.std() / math.sqrt(len(w)) + log_z0).item() for s in (0, -1, 1)]",
        ),
        ("the standard deviation for the error", "w.std() / math.sqrt(len(w))", "w.std()"),
        ("divided by M", "w.std() / math.sqrt(len(w))", "w.std() / len(w)"),
        ("one standard error", "3 * error", "error"),
        ("weights that overflow", "most = log_w.max()", "most = torch.tensor(0.0)"),
        ("the logarithm of a negative number", ".clamp(min=0)", ""),
        ("the sum for the mean", "ends = [w.mean(),", "ends = [w.sum(),"),
        ("the first distribution forgotten", " + log_z0).item()", ").item()"),
        ("the ends exchanged", "return estimate, low, high", "return estimate, high, low"),
        ("the largest not put back", "end.log() + most", "end.log()"),
    ],
    "q8_pseudo_log_likelihood": [
        ("the sign", "free(flipped) - free(v)", "free(v) - free(flipped)"),
        ("a mean over pixels", "return total", "return total / v.shape[1]"),
        (
            "a logarithm of zero",
            "F.logsigmoid(free(flipped) - free(v))",
            "torch.sigmoid(free(flipped).float() - free(v).float()).log()",
        ),
        ("flips that stay", "flipped = v.clone()", "flipped = v"),
        (
            "flips that add up",
            "for i in range(v.shape[1]):\n        flipped = v.clone()",
            "flipped = v.clone()\n    for i in range(v.shape[1]):",
        ),
        ("the probability, not its logarithm", "F.logsigmoid(free", "torch.sigmoid(free"),
        ("a pixel set, not flipped", "1 - v[:, i]", "1"),
        ("the last pixel alone", "total = total + F", "total = F"),
        ("the difference of free energies", "F.logsigmoid(free(flipped) - free(v))", "(free(flipped) - free(v))"),
    ],
}
