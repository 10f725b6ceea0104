"""Answers to assignment 09_adversarial that are wrong, as students write them.

One list for each answer cell: what went wrong, and the change to the solution that makes it so (the text that
is replaced, and what takes its place). `tests/test_exercises.py` hands them in; each has to lose its points.
"""

LOSSES = "(F.softplus(-real) + F.softplus(fake)).mean()"
ROUND = (
    "    loss_D = step(D, (F.softplus(-real) + F.softplus(fake)).mean())\n"
    "    loss_G = step(G, F.softplus(-D(G(z[1]))).mean())\n"
)
CROSS = "torch.linalg.svdvals(A @ B.T).sum()  # of (N, M)"

WRONG = {
    "q1a_best_score": [
        (
            "the judge of an even heap",
            "return score.sum().item()",
            "D = p / (p + q).clamp(min=1e-300)\n    return (torch.xlogy(data, D) + torch.xlogy(made, 1 - "
            "D)).sum().item()",
        ),
        ("every heap half and half", "share * p, (1 - share) * q", "p / 2, q / 2"),
        ("the shares exchanged", "share * p, (1 - share) * q", "(1 - share) * p, share * q"),
        ("the shares of one side forgotten", "share * p, (1 - share) * q", "share * p, q"),
        (
            "the scores of both sides added, not averaged over the heap",
            "return score.sum().item()",
            "D = (data / (data + made).clamp(min=1e-300))\n    return (torch.xlogy(p, D) + torch.xlogy(q, 1 - "
            "D)).sum().item()",
        ),
        (
            "zero times the logarithm of zero",
            "return score.sum().item()",
            "D = data / (data + made)\n    return (data * D.log() + made * (1 - D).log()).sum().item()",
        ),
        (
            "zero divided by zero",
            "return score.sum().item()",
            "D = data / (data + made)\n    return (torch.xlogy(data, D) + torch.xlogy(made, 1 - D)).sum().item()",
        ),
        (
            "the data's side alone",
            "return score.sum().item()",
            "return (entropy(data + made) - entropy(data) - entropy(made)).where(made == 0, 0).sum().item()",
        ),
        ("a loss for a score", "return score.sum()", "return -score.sum()"),
        ("a divergence for a score", "return score.sum().item()", "return score.sum().item() + math.log(2)"),
        ("a mean over places", "score.sum()", "score.mean()"),
        ("bits", "return score.sum().item()", "return score.sum().item() / math.log(2)"),
        ("a tensor for a number", "score.sum().item()", "score.sum()"),
    ],
    "q1b_reweighted": [
        ("weighted by D", "logits.softmax(0)", "logits.sigmoid() / logits.sigmoid().sum()"),
        ("weights that do not sum to 1", "logits.softmax(0)", "logits.exp() / len(logits)"),
        ("an overflow", "logits.softmax(0)", "logits.exp() / logits.exp().sum()"),
        ("the quotient the other way round", "logits.softmax(0)", "(-logits).softmax(0)"),
        ("the logits themselves", "logits.softmax(0)", "logits / logits.sum()"),
        ("the logits cut off", "logits.softmax(0)", "logits.clamp(-1, 1).softmax(0)"),
        ("those kept that pass", "logits.softmax(0)", "(logits >= 0).to(f) / (logits >= 0).sum()"),
        ("no weights", "return weights @ f", "return f.mean(0)"),
        ("weights of squares", "(1 / weights.square().sum())", "(1 / weights.square().sum().sqrt())"),
        ("the share that it rests on", "(1 / weights.square().sum())", "(1 / weights.square().sum() / len(f))"),
        ("the number of examples", "(1 / weights.square().sum()).item()", "float(len(f))"),
        ("a tensor for a number", "(1 / weights.square().sum()).item()", "1 / weights.square().sum()"),
    ],
    "q2_generator_gradient": [
        ("the losses exchanged", 'a if loss == "minimax" else -a', '-a if loss == "minimax" else a'),
        ("one loss for both", '(a if loss == "minimax" else -a)', "(-a)"),
        ("uphill", "by_logit = -torch", "by_logit = torch"),
        (
            "the sign of one loss",
            '-torch.sigmoid(a if loss == "minimax" else -a)',
            'torch.sigmoid(a if loss == "minimax" else -a) * (-1 if loss == "minimax" else 1)',
        ),
        ("a sum for the mean", " / len(z)", ""),
        (
            "the slope taken for that of D",
            "by_logit[:, None] * slope",
            "(by_logit * a.sigmoid() * a.neg().sigmoid())[:, None] * slope",
        ),
        (
            "the loss itself for its slope",
            '-torch.sigmoid(a if loss == "minimax" else -a)',
            '-F.softplus(a) if loss == "minimax" else F.softplus(-a)',
        ),
        ("the first link forgotten", "by_logit[:, None] * slope", "-slope"),
        (
            "a mean of products taken for a product of means",
            "by_x.T @ z, by_x",
            "by_x.sum(0)[:, None] * z.mean(0), by_x",
        ),
        ("the noise forgotten", "by_x.T @ z", "by_x.sum(0)[:, None].expand(-1, z.shape[1])"),
        ("the matrix turned over", "by_x.T @ z", "z.T @ by_x"),
        ("one slope for the batch", "by_logit[:, None] * slope", "by_logit[:, None] * slope.mean(0)"),
        (
            "one logit for the batch",
            "by_logit = -torch.sigmoid(a if",
            "a = a.mean().expand(len(z))\n    by_logit = -torch.sigmoid(a if",
        ),
        ("the bias once more divided", "by_x.sum(0)", "by_x.mean(0)"),
        (
            "autograd for a derivation",
            'by_logit = -torch.sigmoid(a if loss == "minimax" else -a)',
            "b = a.clone().requires_grad_()\n"
            '    by_logit = torch.autograd.grad((-F.softplus(b) if loss == "minimax" else F.softplus(-b)).sum(), b)[0]',
        ),
    ],
    "q3_play_round": [
        ("made examples that are no constants", ".detach()", ""),
        ("the same noise for both", "G(z[1])", "G(z[0])"),
        ("the other noise for each", "D(G(z[0]).detach())", "D(G(z[1]).detach())"),
        ("the minimax loss", "F.softplus(-D(G(z[1])))", "-F.softplus(D(G(z[1])))"),
        ("a generator that wants to be found out", "F.softplus(-D(G(z[1])))", "F.softplus(D(G(z[1])))"),
        ("the data's half forgotten", LOSSES, "F.softplus(fake).mean()"),
        ("the made half forgotten", LOSSES, "F.softplus(-real).mean()"),
        ("labels exchanged", LOSSES, "(F.softplus(real) + F.softplus(-fake)).mean()"),
        ("made examples that pass for data", LOSSES, "(F.softplus(-real) + F.softplus(-fake)).mean()"),
        ("a mean of both halves", LOSSES, LOSSES + " / 2"),
        ("sums for means", LOSSES, "(F.softplus(-real) + F.softplus(fake)).sum()"),
        ("uphill", "weight -= rate", "weight += rate"),
        (
            "the generator first",
            ROUND,
            "    loss_G = step(G, F.softplus(-D(G(z[1]))).mean())\n    loss_D = step(D, (F.softplus(-D(x)) + "
            "F.softplus(D(G(z[0]).detach()))).mean())\n",
        ),
        (
            "both at once, the generator judged by the old discriminator",
            ROUND,
            "    old = F.softplus(-D(G(z[1]))).mean()\n"
            "    slopes = torch.autograd.grad(old, list(G.parameters()))\n"
            "    loss_D = step(D, (F.softplus(-real) + F.softplus(fake)).mean())\n"
            "    with torch.no_grad():\n"
            "        for weight, slope in zip(G.parameters(), slopes):\n"
            "            weight -= rate * slope\n"
            "    loss_G = old.item()\n",
        ),
        ("the discriminator moves along with the generator", "step(G, F", "step(nn.ModuleList([G, D]), F"),
        (
            "gradients left behind",
            "slopes = torch.autograd.grad(loss, weights)",
            "loss.backward()\n        slopes = [weight.grad for weight in weights]",
        ),
        (
            "the other player's gradients left behind",
            "slopes = torch.autograd.grad(loss, weights)",
            "for weight in weights if player is G else []:\n            weight.grad = None\n        loss.backward()\n "
            "       slopes = [weight.grad for weight in weights]",
        ),
        (
            "the discriminator does not learn",
            "    loss_D = step(D, (F.softplus(-real) + F.softplus(fake)).mean())\n",
            "    loss_D = (F.softplus(-real) + F.softplus(fake)).mean().item()\n",
        ),
        (
            "losses after the steps",
            "    return loss_D, loss_G\n",
            "    return (F.softplus(-D(x)) + F.softplus(D(G(z[0])))).mean().item(), "
            "F.softplus(-D(G(z[1]))).mean().item()\n",
        ),
        ("the discriminator's loss twice", "return loss_D, loss_G", "return loss_D, loss_D"),
        ("tensors for numbers", "return loss.item()", "return loss.detach()"),
        ("steps of the length 1", "rate * slope", "rate * slope / slope.norm()"),
    ],
    "q4a_optimistic": [
        (
            "simultaneous steps",
            "theta = theta - eta * (2 * g - g_before)\n        phi = phi + eta * (2 * h - h_before)",
            "theta, phi = theta - eta * g, phi + eta * h",
        ),
        (
            "the critic answers to where the generator now is",
            "phi = phi + eta * (2 * h - h_before)",
            "h = A.T @ theta\n        phi = phi + eta * (2 * h - h_before)",
        ),
        ("the slope of before added", "(2 * g - g_before)", "(2 * g + g_before)"),
        (
            "the mean of both slopes",
            "theta = theta - eta * (2 * g - g_before)\n        phi = phi + eta * (2 * h - h_before)",
            "theta = theta - eta * (g + g_before) / 2\n        phi = phi + eta * (h + h_before) / 2",
        ),
        (
            "now and before exchanged",
            "(2 * g - g_before)\n        phi = phi + eta * (2 * h - h_before)",
            "(2 * g_before - g)\n        phi = phi + eta * (2 * h_before - h)",
        ),
        (
            "the two forgotten",
            "(2 * g - g_before)\n        phi = phi + eta * (2 * h - h_before)",
            "(g - g_before)\n        phi = phi + eta * (h - h_before)",
        ),
        ("the first slopes remembered for ever", "g_before, h_before = g, h\n        places", "places"),
        (
            "nothing before the first step",
            "g_before, h_before = A @ phi, A.T @ theta\n    places",
            "g_before, h_before = torch.zeros_like(theta), torch.zeros_like(phi)\n    places",
        ),
        ("only the generator looks back", "(2 * h - h_before)", "h"),
        ("both want it small", "phi = phi + eta", "phi = phi - eta"),
        (
            "the matrix not transposed",
            "g, h = A @ phi, A.T @ theta",
            "g, h = A @ phi, (A @ theta if A.shape[0] == A.shape[1] else A.T @ phi.sum().expand(len(theta)))",
        ),
        (
            "extragradient steps",
            "theta = theta - eta * (2 * g - g_before)\n        phi = phi + eta * (2 * h - h_before)",
            "theta, phi = theta - eta * A @ (phi + eta * h), phi + eta * A.T @ (theta - eta * g)",
        ),
        ("the start left out", "return torch.stack(places)", "return torch.stack(places[1:])"),
        ("squared distances", ".norm(dim=1)", ".square().sum(1)"),
        (
            "the generator's distance",
            "places.append(torch.cat([theta, phi]))",
            "places.append(torch.cat([theta, 0 * phi]))",
        ),
        (
            "in place",
            "theta = theta - eta * (2 * g - g_before)\n        phi = phi + eta * (2 * h - h_before)",
            "theta -= eta * (2 * g - g_before)\n        phi += eta * (2 * h - h_before)",
        ),
    ],
    "q5_n_different": [
        (
            "pairs with oneself",
            "torch.pdist(samples)",
            'torch.cdist(samples, samples, compute_mode="donot_use_mm_for_euclid_dist").flatten()',
        ),
        (
            "distances from inner products",
            "torch.pdist(samples)",
            "torch.cdist(samples, samples)[torch.ones(2 * [len(samples)]).triu(1).bool()]",
        ),
        ("every agreeing pair twice", "(1 / same.double().mean())", "(1 / (2 * same).double().mean())"),
        ("all ordered pairs, with oneself", "(1 / same.double().mean())", "(len(samples) ** 2 / 2 / same.sum())"),
        ("samples for pairs", "(1 / same.double().mean())", "(len(samples) / same.sum())"),
        (
            "the number of groups among the samples",
            "return (1 / same.double().mean()).item()",
            "close = torch.cdist(samples, samples) <= radius\n    return "
            "float(len(torch.unique(close.int().argmax(1))))",
        ),
        ("nearer than, not at most", "<= radius", "< radius"),
        ("squared distances", "torch.pdist(samples)", "torch.pdist(samples).square()"),
        ("distances in one coordinate", "torch.pdist(samples)", "torch.pdist(samples[:, :1])"),
        ("the largest coordinate for the distance", "torch.pdist(samples)", "torch.pdist(samples, p=math.inf)"),
        ("a share for a number", "(1 / same.double().mean())", "same.double().mean()"),
        ("a division by zero", "(1 / same.double().mean()).item()", "1 / same.double().mean().item()"),
        ("a number for none", "(1 / same.double().mean())", "(len(same) / same.sum().clamp(min=1))"),
    ],
    "q6a_transposed_matrix": [
        ("the kernel turned round", "i] = w\n", "i] = w.flip(0)\n"),
        (
            "the convolution itself",
            "return matrix[padding : full - padding]",
            "return matrix[padding : full - padding].T",
        ),
        ("the stride forgotten", "matrix[i * stride : i * stride + len(w), i]", "matrix[i : i + len(w), i]"),
        ("the padding not cut", "return matrix[padding : full - padding]", "return matrix"),
        ("all padding cut at the beginning", "matrix[padding : full - padding]", "matrix[2 * padding :]"),
        ("all padding cut at the end", "matrix[padding : full - padding]", "matrix[: full - 2 * padding]"),
        ("half of the padding", "matrix[padding : full - padding]", "matrix[padding:]"),
        ("nothing left without padding", "matrix[padding : full - padding]", "matrix[padding:-padding]"),
        ("padding added", "return matrix[padding : full - padding]", "return F.pad(matrix, (0, 0, padding, padding))"),
        ("n times the stride", "full = (n - 1) * stride + len(w)", "full = n * stride + len(w) - 1"),
        (
            "PyTorch's own",
            "return matrix[padding : full - padding]",
            "return F.conv_transpose1d(torch.eye(n).to(w)[:, None], w[None, None], stride=stride, padding=padding)[:, "
            "0].T",
        ),
        (
            "a layer of PyTorch's",
            "return matrix[padding : full - padding]",
            "return torch.conv_transpose1d(torch.eye(n).to(w)[:, None], w[None, None], None, stride, padding)[:, 0].T",
        ),
    ],
    "q6b_ripple": [
        ("how many weights meet", "w[r::stride].sum()", "torch.tensor(1.0 * len(w[r::stride]))"),
        ("means for sums", "w[r::stride].sum()", "w[r::stride].mean()"),
        ("neighbours for weights that meet", "w[r::stride].sum()", "w[r : r + stride].sum()"),
        ("the rule of thumb", "return (sums.max() - sums.min()).item()", "return float(len(w) % stride != 0)"),
        ("absolute weights", "w[r::stride].sum()", "w[r::stride].abs().sum()"),
        ("the standard deviation", "(sums.max() - sums.min())", "sums.std()"),
        ("the first less the last", "(sums.max() - sums.min())", "(sums[0] - sums[-1])"),
        ("the largest sum", "(sums.max() - sums.min())", "sums.max()"),
        ("the spread of the kernel", "(sums.max() - sums.min())", "(w.max() - w.min())"),
        ("phases that no weight reaches left out", "range(stride)", "range(min(stride, len(w)))"),
        (
            "with the ends",
            "return (sums.max() - sums.min()).item()",
            "out = F.conv_transpose1d(torch.ones(1, 1, 20).to(w), w[None, None], stride=stride)\n    return "
            "(out.max() - out.min()).item()",
        ),
        ("the last phase forgotten", "range(stride)", "range(max(stride - 1, 1))"),
        ("a tensor for a number", "(sums.max() - sums.min()).item()", "sums.max() - sums.min()"),
    ],
    "q7a_kernel_distance": [
        (
            "samples compared with themselves",
            "(all_pairs.sum() - all_pairs.trace()) / (len(a) * (len(a) - 1))",
            "all_pairs.mean()",
        ),
        ("themselves left out, and counted all the same", "(len(a) * (len(a) - 1))", "len(a) ** 2"),
        ("each pair once, counted twice", "(len(a) * (len(a) - 1))", "(len(a) * (len(a) - 1) / 2)"),
        ("the data compared with themselves", "within(y)", "similar(y, y).mean()"),
        (
            "one pair of each only",
            "return (all_pairs.sum() - all_pairs.trace()) / (len(a) * (len(a) - 1))",
            "return all_pairs[0, 1]",
        ),
        ("the two forgotten", "- 2 * similar", "- similar"),
        ("pairs of the same number", "similar(x, y).mean()", "similar(x[: len(y)], y[: len(x)]).diagonal().mean()"),
        ("similarities within the samples forgotten", "within(x) + within(y)", "within(y)"),
        ("samples and data exchanged with their sum", "similar(x, y).mean()", "within(torch.cat([x, y]))"),
        ("the features' number forgotten", " / a.shape[1]", ""),
        ("divided by the number of samples", "a.shape[1]", "a.shape[0]"),
        ("the 1 forgotten", " + 1) ** 3", ") ** 3"),
        ("no powers: means alone", " ** 3", ""),
        ("squares for cubes", " ** 3", " ** 2"),
        ("distances for inner products", "a @ b.T", "torch.cdist(a, b)"),
        ("never negative", ".mean()).item()", ".mean()).clamp(min=0).item()"),
        ("the root of it", ".mean()).item()", ".mean()).abs().sqrt().item()"),
        ("a tensor for a number", ".mean()).item()", ".mean())"),
    ],
    "q7b_frechet": [
        ("the cross term forgotten", "- 2 * cross", ""),
        ("the two forgotten", "- 2 * cross", "- cross"),
        ("the root forgotten", CROSS, "torch.linalg.svdvals(A @ B.T).square().sum()"),
        ("the trace of the product", CROSS, "(A @ B.T).square().sum().sqrt()"),
        ("the largest singular value", CROSS, "torch.linalg.svdvals(A @ B.T).max()"),
        ("the diagonal's trace", CROSS, "(A @ B.T).diagonal().sum()"),
        ("the features taken as uncorrelated", CROSS, "(A.square().sum(0) * B.square().sum(0)).sqrt().sum()"),
        ("the means forgotten", "(means + A", "(A"),
        ("a distance not squared", "means = (mean_x - mean_y).square().sum()", "means = (mean_x - mean_y).norm()"),
        (
            "a mean over features",
            "means = (mean_x - mean_y).square().sum()",
            "means = (mean_x - mean_y).square().mean()",
        ),
        ("N for N - 1", "math.sqrt(len(x) - 1)", "math.sqrt(len(x))"),
        ("M - 1 taken for N - 1", "math.sqrt(len(y) - 1)", "math.sqrt(len(x) - 1)"),
        ("no centring", "(x - mean_x) / math", "x / math"),
        ("one mean for both", "(y - mean_y) / math", "(y - mean_x) / math"),
        ("no square root of N - 1", "math.sqrt(len(x) - 1)  #", "(len(x) - 1)  #"),
        (
            "the covariances formed after all",
            CROSS,
            "torch.linalg.eigvals(A.T @ A @ (B.T @ B)).real.clamp(min=0).sqrt().sum()",
        ),
        (
            "the package's own",
            "mean_x, mean_y = x.mean(0), y.mean(0)\n",
            "from repgen.evaluation.generative import frechet as made_elsewhere\n\n    return made_elsewhere(x, y)\n  "
            "  mean_x, mean_y = x.mean(0), y.mean(0)\n",
        ),
        ("the root of the whole", "- 2 * cross).item()", "- 2 * cross).clamp(min=0).sqrt().item()"),
        ("a tensor for a number", "- 2 * cross).item()", "- 2 * cross)"),
    ],
    "q8_stretch": [
        ("the square of it", "x.norm().sqrt()", "x.norm()"),
        ("overflow, or nothing left", "torch.func.vjp(f, x / x.norm())", "torch.func.vjp(f, x)"),
        ("one turn", "range(steps)", "range(1)"),
        ("the transpose forgotten", "(x,) = transposed(y)  # f^T f of a direction", "x = y"),
        ("the transpose of ones", "transposed(y)  # f", "transposed(torch.ones_like(y))  # f"),
        ("the transpose of a direction", "return x.norm().sqrt()", "return x.norm()"),
        (
            "all singular values",
            "return x.norm().sqrt().item()",
            "return torch.linalg.vector_norm(torch.func.jacrev(f)(x)).item()",
        ),
        ("scaled by its largest number", "x / x.norm()", "x / x.abs().max()"),
        ("scaled by its sum", "x / x.norm()", "x / x.sum()"),
        ("a mean of squares for a length", "x.norm().sqrt()", "x.square().mean().sqrt().sqrt()"),
        (
            "the stretch of the start",
            "for _ in range(steps):",
            "return (f(x).norm() / x.norm()).item()\n    for _ in range(steps):",
        ),
        (
            "the whole matrix",
            "return x.norm().sqrt().item()",
            "columns = [f(u.view(x.shape)).flatten() for u in torch.eye(x.numel()).to(x)] * 8\n    return "
            "torch.linalg.svdvals(torch.stack(columns[: x.numel()], 1))[0].item()",
        ),
        (
            "called twice a turn",
            "y, transposed = torch.func.vjp(f, x / x.norm())",
            "y = f(x / x.norm())\n        _, transposed = torch.func.vjp(f, x / x.norm())",
        ),
        ("a tensor for a number", "x.norm().sqrt().item()", "x.norm().sqrt()"),
    ],
}
