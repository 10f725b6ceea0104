"""Answers to assignment 03_regularised that are wrong, as students write them.

One list for each answer cell: what went wrong, and the change to the solution that makes it so (the text that
is replaced, and what takes its place). `tests/test_exercises.py` hands them in; each has to lose its points.
"""

WRONG = {
    "q1_parity_layer": [
        ("a slope that turns by one", "2.0 * (-1.0)", "(-1.0)"),
        ("all corners turn the same way", "2.0 * (-1.0) ** torch.arange(n)", "-2.0 * torch.ones(n)"),
        ("thresholds from one on", "-torch.arange(n)", "-torch.arange(1, n + 1)"),
        ("a first slope of two", "v[0] = 1.0", "pass"),
        ("thresholds of the wrong sign", "b = -torch", "b = torch"),
    ],
    "q2a_sparse_loss": [
        ("mean over pixels", "(reconstruction - x).square().sum(1)", "(reconstruction - x).square().mean(1)"),
        ("no absolute value", "z.abs()", "z"),
        ("a squared code", "z.abs()", "z.square()"),
        ("mean over units", "z.abs().sum(1)", "z.abs().mean(1)"),
        (
            "the price summed over examples",
            "(error + weight * z.abs().sum(1)).mean()",
            "error.mean() + weight * z.abs().sum()",
        ),
    ],
    "q2b_rate_penalty": [
        ("mean over units for mean over examples", "z.mean(0)", "z.mean(1)"),
        ("exchanged rates", "target * (target / rate).log()", "rate * (rate / target).log()"),
        ("units that are on alone", "(on + off)", "on"),
        ("infinite for a dead unit", ".clamp(1e-6, 1 - 1e-6)", ""),
        ("mean over units", "(on + off).sum()", "(on + off).mean()"),
        ("divergence of each activity", "z.mean(0).clamp(1e-6, 1 - 1e-6)", "z.clamp(1e-6, 1 - 1e-6)"),
    ],
    "q2c_loudest": [
        ("largest for loudest", "z.abs().topk", "z.topk"),
        ("signs lost", "z.gather(1, kept)", "z.abs().gather(1, kept)"),
        (
            "a limit for each unit over the batch",
            "return torch",
            "kept = z.abs().topk(min(k, len(z)), dim=0).indices\n"
            "    return torch.zeros_like(z).scatter(0, kept, z.gather(0, kept))\n"
            "    return torch",
        ),
        (
            "more than k where there are ties",
            "return torch",
            "return z * (z.abs() >= z.abs().topk(k, dim=1).values[:, -1:])\n    return torch",
        ),
        ("no gradient", "z.gather(1, kept)", "z.detach().gather(1, kept)"),
        ("the softest", "topk(k, dim=1)", "topk(k, dim=1, largest=False)"),
    ],
    "q4_contractive_tanh": [
        ("the logistic function's slope", "1 - z.square()", "z * (1 - z)"),
        ("slopes not squared", "slope.square() @", "slope @"),
        ("norms not squared", "w.square().sum(1)", "w.square().sum(1).sqrt()"),
        ("summed weights before squaring", "w.square().sum(1)", "w.sum(1).square()"),
        (
            "the norm for its square",
            "slope.square() @ w.square().sum(1)",
            "(slope.square() @ w.square().sum(1)).sqrt()",
        ),
        ("1 - z for 1 - z^2", "1 - z.square()", "1 - z"),
    ],
    "q5_sensitive_directions": [
        ("the weights alone", "(1 - z.square())[:, :, None]", "torch.ones_like(z)[:, :, None]"),
        ("the logistic function's slope", "(1 - z.square())", "(z * (1 - z))"),
        ("above a fixed limit", "share * values[:, :1]", "share"),
        ("share of the largest of all examples", "values[:, :1]", "values.max()"),
        ("variances for singular values", "torch.linalg.svdvals(jacobian)", "torch.linalg.svdvals(jacobian).square()"),
        (
            "units counted for directions",
            "torch.linalg.svdvals(jacobian)",
            "jacobian.norm(dim=2).sort(1, descending=True).values",
        ),
    ],
    "q6a_shrink": [
        ("a rectifier", "a.sign() * (a.abs() - threshold)", "(a - threshold)"),
        ("a hard threshold", "a.sign() * (a.abs() - threshold).clamp(min=0)", "a * (a.abs() > threshold)"),
        ("the sign lost", "a.sign() * ", ""),
        ("not clamped", ".clamp(min=0)", ""),
        ("one threshold for all units", "a.abs() - threshold", "a.abs() - threshold.mean()"),
    ],
    "q6b_search": [
        ("shrunk by the whole price", "price / largest)", "price)"),
        ("a step of 1", "gradient / largest", "gradient"),
        ("a singular value for an eigenvalue", "[-1].item()", "[-1].sqrt().item()"),
        ("never shrunk", "F.softshrink(z - gradient / largest, price / largest)", "z - gradient / largest"),
        ("uphill", "z - gradient", "z + gradient"),
        (
            "shrunk at the end only",
            "        z = F.softshrink(z - gradient / largest, price / largest)\n    return z",
            "        z = z - gradient / largest\n    return F.softshrink(z, price / largest)",
        ),
        ("the mean eigenvalue", "[-1].item()", ".mean().item()"),
    ],
    "q7_psd_loss": [
        ("the code learns too", "z = z.detach()", "pass"),
        ("the encoder never learns", "(z - predicted)", "(z - predicted.detach())"),
        ("the dictionary never learns", "z @ dictionary", "z @ dictionary.detach()"),
        ("half forgotten", "0.5 * ", ""),
        ("sum for mean", "trust * distance).mean()", "trust * distance).sum()"),
        ("a price on the prediction", "z.abs().sum(1)", "predicted.abs().sum(1)"),
        ("a distance that is not squared", "(z - predicted).square().sum(1)", "(z - predicted).square().sum(1).sqrt()"),
    ],
}
