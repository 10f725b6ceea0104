"""Answers to assignment 01_foundations that are wrong, as students write them.

One list for each answer cell: what went wrong, and the change to the solution that makes it so (the text that
is replaced, and what takes its place). `tests/test_exercises.py` hands them in; each has to lose its points.
"""

WRONG = {
    "q1a_kept_and_lost": [
        ("the codes are not centred", "codes = (x - mean) @", "codes = x @"),
        ("the sum is divided by N - 1", "codes.square().sum(1).mean()", "codes.square().sum() / (len(x) - 1)"),
        (
            "mean over pixels for sum",
            "(x - reconstruction).square().sum(1).mean()",
            "(x - reconstruction).square().mean()",
        ),
        ("the mean is not added back", "mean + codes @ directions", "codes @ directions"),
        ("length for squared length", "codes.square().sum(1).mean()", "codes.norm(dim=1).mean()"),
    ],
    "q1b_components_needed": [
        ("an index for a number", ".sum()) + 1", ".sum())"),
        ("more than the share for at least", "(kept < share", "(kept <= share"),
        ("standard deviations for variances", "variances.cumsum(0)", "variances.sqrt().cumsum(0)"),
        ("not a share of the total", "share * kept[-1]", "share"),
    ],
    "q2a_pca_small_side": [
        ("components of any length", "a.T @ u / lengths", "a.T @ u"),
        ("square root forgotten", "((len(x) - 1) * variances).sqrt()", "(len(x) - 1) * variances"),
        ("N for N - 1", "a @ a.T / (len(x) - 1)", "a @ a.T / len(x)"),
        ("the smallest first", "variances.flip(0)[:k], u.flip(1)[:, :k]", "variances[:k], u[:, :k]"),
        ("not centred", "a = x - mean", "a = x"),
        (
            "the large side",
            "variances, u = torch.linalg.eigh(a @ a.T / (len(x) - 1))",
            "large, w = torch.linalg.eigh(a.T @ a / (len(x) - 1))\n"
            "    return mean, w.flip(1).T[:k], large.flip(0)[:k]\n"
            "    variances, u = None, None",
        ),
    ],
    "q2b_whiten": [
        ("square root forgotten", "variances.sqrt()", "variances"),
        ("not centred", "(x - mean)", "x"),
        ("multiplied for divided", "/ variances.sqrt()", "* variances.sqrt()"),
        ("centred and scaled on the data at hand", "/ variances.sqrt()", "/ (x - mean).matmul(components.T).std(0)"),
    ],
    "q4_fill_in": [
        (
            "the code of an image with mean pixels in the gap",
            "torch.linalg.lstsq(visible, target).solution[:, 0]",
            "visible.T @ target[:, 0]",
        ),
        ("not centred", "(x - mean)[seen, None]", "x[seen, None]"),
        ("the mean is not added back", "mean + z @ components", "z @ components"),
        ("visible pixels replaced too", "torch.where(seen, x, predicted)", "predicted"),
        ("visible and missing exchanged", "torch.where(seen, x, predicted)", "torch.where(seen, predicted, x)"),
    ],
    "q5a_oja_step": [
        ("Hebb's rule, without the decay", " - y.square()[:, None] * w)", ")"),
        ("sum for mean", ".mean(0)", ".sum(0)"),
        ("y for its square", "y.square()[:, None] * w", "y[:, None] * w"),
        ("wrong sign", "w + lr *", "w - lr *"),
        ("only the change", "return w + lr *", "return lr *"),
    ],
    "q5b_linear_autoencoder_gradients": [
        ("a missing factor of two", "grad_encoder = 2 *", "grad_encoder ="),
        ("sum for mean", "error.T @ z / len(x)", "error.T @ z"),
        ("mean over pixels too", "error.T @ x / len(x)", "error.T @ x / x.numel()"),
        ("wrong sign", "z @ decoder.T - x", "x - z @ decoder.T"),
        ("encoder for decoder in the chain rule", "decoder.T @ error.T @ x", "encoder @ error.T @ x"),
        (
            "autograd for a derivation",
            "z = x @ encoder.T",
            "e, d = encoder.requires_grad_(), decoder.requires_grad_()\n"
            "    return torch.autograd.grad((x @ e.T @ d.T - x).square().sum(1).mean(), [e, d])\n"
            "    z = x @ encoder.T",
        ),
    ],
    "q6a_inner_products": [
        ("the distances are not squared", "distances.square()", "distances"),
        ("a missing half", "-0.5 * ", "-"),
        ("wrong sign", "-0.5 * ", "0.5 * "),
        ("the overall mean is not added back", " + squared.mean()", ""),
        ("centred on one side only", "squared - of_rows - of_columns + squared.mean()", "squared - of_rows"),
    ],
    "q6b_positions": [
        ("square root forgotten", "values.clamp(min=0).sqrt()", "values.clamp(min=0)"),
        ("eigenvectors without their length", " * values.clamp(min=0).sqrt()", ""),
        ("rows for columns", "vectors.flip(1)[:, :k]", "vectors.T.flip(1)[:, :k]"),
        ("the smallest first", "values.flip(0)[:k], vectors.flip(1)[:, :k]", "values[:k], vectors[:, :k]"),
        ("the root of a negative number", "values.clamp(min=0).sqrt()", "values.sqrt()"),
        ("the size of a negative eigenvalue", "values.clamp(min=0).sqrt()", "values.abs().sqrt()"),
    ],
    "q7a_gaussian_nats": [
        (
            "the logarithm of a determinant that is zero",
            "2 * factor.diagonal().log().sum()",
            "torch.linalg.det(covariance).log()",
        ),
        ("half the determinant", "2 * factor.diagonal()", "factor.diagonal()"),
        ("a missing half", "return 0.5 *", "return"),
        ("one dimension's constant for all", "constant = len(mean) *", "constant ="),
        ("the log-likelihood, without its minus", "return 0.5 *", "return -0.5 *"),
        ("mean over the examples", "white.square().sum(0)", "white.square().sum(0).mean()"),
    ],
    "q7b_gaussian_kl": [
        ("a missing half", "0.5 * ", ""),
        ("mean over dimensions for sum", ".sum(1)", ".mean(1)"),
        ("the logarithm of a standard deviation", "log_var_p.exp() +", "(2 * log_var_p).exp() +"),
        ("divided by the wrong variance", "/ log_var_q.exp()", "/ log_var_p.exp()"),
        ("log-variances exchanged", "log_var_q - log_var_p + misfit", "log_var_p - log_var_q + misfit"),
        ("one forgotten", "+ misfit - 1)", "+ misfit)"),
    ],
    "q7c_softmax_nats": [
        ("overflow", "logits - logits.max(1, keepdim=True).values", "logits"),
        ("the gradient of the sum", "gradient / len(labels)", "gradient"),
        ("wrong sign", "gradient / len(labels)", "-gradient / len(labels)"),
        ("the right class is not special", "gradient[rows, labels] -= 1\n", "pass\n"),
        ("mean for one number an example", "-log_p[rows, labels]", "-log_p[rows, labels].mean()"),
        ("normalised over the batch", "shifted.exp().sum(1, keepdim=True)", "shifted.exp().sum(0, keepdim=True)"),
    ],
}
