"""Answers to assignment 02_undercomplete that are wrong, as students write them.

One list for each answer cell: what went wrong, and the change to the solution that makes it so (the text that
is replaced, and what takes its place). `tests/test_exercises.py` hands them in; each has to lose its points.
"""

WRONG = {
    "q1a_tied_forward": [
        ("no bias in the code", "x @ w.T + b", "x @ w.T"),
        ("no bias in the image", "z @ w + c", "z @ w"),
        ("a sigmoid on the image too", "return z, z @ w + c", "return z, torch.sigmoid(z @ w + c)"),
        ("tanh for the logistic function", "torch.sigmoid(", "torch.tanh("),
        ("the image alone", "return z, z @ w + c", "return z @ w + c"),
    ],
    "q1b_n_parameters": [
        ("biases of the encoder only", " + sum(sizes[:-1])", ""),
        (
            "tied biases",
            "return (1 if tied else 2) * weights + biases",
            "return (1 if tied else 2) * weights + biases // (2 if tied else 1)",
        ),
        ("the tied matrix counted twice", "(1 if tied else 2)", "2"),
        ("the first layer only", "sum(a * b for a, b in zip(sizes, sizes[1:]))", "sizes[0] * sizes[1]"),
    ],
    "q2_tied_gradient": [
        ("only the decoder's part", "painting + reading", "painting"),
        ("only the encoder's part", "painting + reading", "reading"),
        ("the slope of the logistic function forgotten", " * z * (1 - z)", ""),
        ("a missing factor of two", "2 * (z @ w", "(z @ w"),
        ("sum for mean", " / len(x)", ""),
        (
            "autograd for a derivation",
            "z = torch.sigmoid(x @ w.T + b)",
            "w = w.clone().requires_grad_()\n"
            "    out = torch.sigmoid(x @ w.T + b) @ w + c\n"
            "    return torch.autograd.grad((out - x).square().sum(1).mean(), w)[0]\n"
            "    z = torch.sigmoid(x @ w.T + b)",
        ),
    ],
    "q3a_pulls": [
        ("derivatives by p", "2 * (p - x) * p * (1 - p)", "2 * (p - x)"),
        ("a missing factor of two", "2 * (p - x) * p", "(p - x) * p"),
        ("the other way round", "p - x\n", "x - p\n"),
        ("not cancelled on paper", ", p - x", ", (p - x) / (p * (1 - p)) * (p * (1 - p))"),
    ],
    "q4a_quantise": [
        ("as many steps as levels", "2**bits - 1", "2**bits"),
        ("cut off for rounded", ".round().long()", ".long()"),
        ("not clamped", "z.clamp(-1, 1)", "z"),
        ("received from 0 to 1", "sent / steps * 2 - 1", "sent / steps"),
        ("floating point for whole numbers", ".round().long()", ".round()"),
    ],
    "q4b_bits_per_pixel": [
        ("overhead forgotten", " + overhead", ""),
        (
            "overhead in every patch",
            "n_patches * latent_dim * bits + overhead",
            "n_patches * (latent_dim * bits + overhead)",
        ),
        ("a side for an area", "side**2", "side"),
    ],
    "q4c_psnr_of_scaled": [
        ("a peak of 1", "2**2 / error", "1 / error"),
        ("peak not squared", "2**2 / error", "2 / error"),
        ("decibels of an amplitude", "10 * torch", "20 * torch"),
        ("the mean of PSNRs", "(x - y).square().mean()", "(x - y).square().flatten(1).mean(1).log().mean().exp()"),
    ],
    "q5_auc": [
        ("ties do not count", " + 0.5 * (pairs == 0).float()", ""),
        ("ties count in full", "0.5 * (pairs == 0)", "1.0 * (pairs == 0)"),
        ("the other way round", "pairs > 0", "pairs < 0"),
        (
            "accuracy at one limit",
            "return ((pairs > 0)",
            "return (strange > ordinary.median()).float().mean().item()\n    return ((pairs > 0)",
        ),
    ],
    "q6_early_stopping": [
        ("as good counts as better", "loss < lowest", "loss <= lowest"),
        ("one epoch too patient", "epoch - best >= patience", "epoch - best > patience"),
        ("counted from 0", "start=1", "start=0"),
        ("the last epoch for the best", "return best, epoch", "return epoch, epoch"),
        ("compared with the epoch before", "if loss < lowest:", "if epoch == 1 or loss < losses[epoch - 2]:"),
    ],
    "q7_best_linear_decoder": [
        (
            "no bias",
            "return solution[:-1].T, solution[-1]",
            "return torch.linalg.lstsq(z, x).solution.T, torch.zeros_like(x[0])",
        ),
        ("transposed", "solution[:-1].T", "solution[:-1]"),
        ("the mean image for the bias", "solution[:-1].T, solution[-1]", "solution[:-1].T, x.mean(0)"),
        ("bias and weights exchanged", "return solution[:-1].T, solution[-1]", "return solution[1:].T, solution[0]"),
    ],
}
