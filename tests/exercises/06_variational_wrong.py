"""Answers to assignment 06_variational that are wrong, as students write them.

One list for each answer cell: what went wrong, and the change to the solution that makes it so (the text that
is replaced, and what takes its place). `tests/test_exercises.py` hands them in; each has to lose its points.
"""

WRONG = {
    "q1_kl_from_prior": [
        ("a mean over units", "terms.sum(1)", "terms.mean(1)"),
        ("the half forgotten", "0.5 * terms", "terms"),
        ("the sign of the entropy", "- 1 - log_var", "- 1 + log_var"),
        ("the logarithm taken for the variance", "log_var.exp() - 1 - log_var", "log_var - 1 - log_var.log()"),
        ("a standard deviation for the variance", "log_var.exp()", "(0.5 * log_var).exp()"),
        ("the 1 forgotten", " - 1 - log_var", " - log_var"),
        (
            "the divergence the other way round",
            "mean**2 + log_var.exp() - 1 - log_var",
            "(mean**2 + 1) / log_var.exp() - 1 + log_var",
        ),
        ("one number for the batch", "terms.sum(1)", "terms.sum(1).mean()"),
    ],
    "q2_draw_code": [
        ("the variance for the standard deviation", "(0.5 * log_var).exp()", "log_var.exp()"),
        ("the logarithm itself", "(0.5 * log_var).exp()", "log_var"),
        (
            "no gradient",
            "return mean + (0.5 * log_var).exp() * noise",
            "return torch.normal(mean, (0.5 * log_var).exp()).detach()",
        ),
        ("no gradient to the variance", "(0.5 * log_var).exp()", "(0.5 * log_var).exp().detach()"),
        ("noise of its own", "* noise", "* torch.randn_like(mean)"),
        ("one noise for all units", "* noise", "* noise[:, :1]"),
    ],
    "q3a_negative_bound": [
        ("a mean over pixels", '"none").sum(1)', '"none").mean(1)'),
        ("a mean over everything", 'reduction="none").sum(1)', 'reduction="mean")'),
        ("a mean over units", "- log_var).sum(1)", "- log_var).mean(1)"),
        ("beta on the other term", "nll + beta * kl", "beta * nll + kl"),
        ("the divergence subtracted", "nll + beta * kl", "nll - beta * kl"),
        ("a likelihood for a cost", "nll + beta * kl", "-nll - beta * kl"),
        ("beta forgotten", "beta * kl", "kl"),
        (
            "probabilities that round to 0 and 1",
            'nll = F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)',
            "p = logits.sigmoid().clamp(1e-7, 1 - 1e-7)\n    nll = -(x * p.log() + (1 - x) * (1 - p).log()).sum(1)",
        ),
        (
            "squared error",
            'F.binary_cross_entropy_with_logits(logits, x, reduction="none")',
            "(logits.sigmoid() - x).square()",
        ),
    ],
    "q4_importance_bound": [
        ("the mean of logarithms", "math.log(k) - torch.logsumexp(log_w, dim=1)", "-log_w.mean(1)"),
        ("the number of draws forgotten", "math.log(k) - torch", "-torch"),
        ("weights that underflow", "math.log(k) - torch.logsumexp(log_w, dim=1)", "-log_w.exp().mean(1).log()"),
        ("the sign", "math.log(k) - torch.logsumexp(log_w, dim=1)", "torch.logsumexp(log_w, dim=1) - math.log(k)"),
        ("the number of draws on the wrong side", "math.log(k) - torch", "-math.log(k) - torch"),
        ("summed over images", "dim=1", "dim=0"),
        (
            "divided by k, not by its logarithm",
            "math.log(k) - torch.logsumexp(log_w, dim=1)",
            "-torch.logsumexp(log_w, dim=1) / k",
        ),
    ],
    "q5_along_the_arc": [
        ("a straight line", "return mixed / torch.sin(omega)", "return (1 - t) * a + t * b"),
        (
            "lengths left in the cosine",
            "torch.acos((a @ b) / (a.norm() * b.norm()))",
            "torch.acos((a @ b).clamp(-0.999, 0.999))",
        ),
        ("directions for codes", "t = t[:, None]", "a, b = a / a.norm(), b / b.norm()\n    t = t[:, None]"),
        (
            "the ends exchanged",
            "torch.sin((1 - t) * omega) * a + torch.sin(t * omega) * b",
            "torch.sin(t * omega) * a + torch.sin((1 - t) * omega) * b",
        ),
        ("not divided by the sine", "mixed / torch.sin(omega)", "mixed"),
        (
            "a line pushed out to the sphere",
            "return mixed / torch.sin(omega)",
            "line = (1 - t) * a + t * b\n    return line / line.norm(dim=1, keepdim=True) * a.norm()",
        ),
    ],
    "q6a_prior_grid": [
        ("equal steps", "distributions.Normal(0.0, 1.0).icdf(shares)", "torch.linspace(-2, 2, n)"),
        ("quantiles from 0 to 1", "(torch.arange(n) + 0.5) / n", "torch.linspace(0, 1, n)"),
        ("the ends of the parts", "(torch.arange(n) + 0.5) / n", "(torch.arange(n) + 1) / (n + 1)"),
        ("upside down", "places.flip(0), places", "places, places"),
        ("lines and columns exchanged", "[first, second]", "[second, first]"),
        ("a cumulative share for a quantile", ".icdf(shares)", ".cdf(shares)"),
    ],
    "q6b_concept_vector": [
        ("the other way round", "z[has].mean(0) - z[~has].mean(0)", "z[~has].mean(0) - z[has].mean(0)"),
        ("from the mean of all", "z[~has].mean(0)", "z.mean(0)"),
        (
            "a direction of length 1",
            "return z[has].mean(0) - z[~has].mean(0)",
            "return F.normalize(z[has].mean(0) - z[~has].mean(0), dim=0)",
        ),
        ("sums for means", "z[has].mean(0) - z[~has].mean(0)", "(z[has].sum(0) - z[~has].sum(0)) / len(z) * 2"),
        ("no difference", " - z[~has].mean(0)", ""),
    ],
    "q7_n_active": [
        ("the standard deviation", "mean.var(0", "mean.std(0"),
        ("the variance of the posterior", "mean.var(0, unbiased=False)", "log_var.exp().mean(0)"),
        ("the divisor N - 1", "unbiased=False", "unbiased=True"),
        ("the mean square, not the variance", "mean.var(0, unbiased=False)", "mean.square().mean(0)"),
        ("over units, not images", "mean.var(0", "mean.var(1"),
        (
            "everything that is not the prior",
            "activity > 0.01",
            "0.5 * (mean**2 + log_var.exp() - 1 - log_var).mean(0) > 0.01",
        ),
    ],
    "q8a_score_gradient": [
        ("not divided by the variance", " / sd**2", ""),
        ("divided by the standard deviation", " / sd**2", " / sd"),
        ("the density, not its derivative", "(z - mean) / sd**2", "-((z - mean) ** 2) / (2 * sd**2)"),
        ("the derivative by z", "(z - mean) / sd**2", "(mean - z) / sd**2"),
        ("the mean not subtracted", "(z - mean)", "z"),
        ("f of the noise", "f(z)", "f(noise)"),
        ("the mean of the estimates", "return f(z) * (z - mean) / sd**2", "return (f(z) * (z - mean) / sd**2).mean()"),
        (
            "autograd for a derivation",
            "return f(z) * (z - mean) / sd**2",
            "m = torch.full_like(z, mean).requires_grad_()\n"
            "    logp = -((z - m) ** 2) / (2 * sd**2)\n"
            "    return f(z) * torch.autograd.grad(logp.sum(), m)[0]",
        ),
    ],
}
