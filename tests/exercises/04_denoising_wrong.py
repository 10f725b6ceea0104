"""Answers to assignment 04_denoising that are wrong, as students write them.

One list for each answer cell: what went wrong, and the change to the solution that makes it so (the text that
is replaced, and what takes its place). `tests/test_exercises.py` hands them in; each has to lose its points.
"""

WRONG = {
    "q1a_masked": [
        ("the share that is kept", ">= share", "< share"),
        ("one mask for all images", "torch.rand(x.shape, generator", "torch.rand(x.shape[1:], generator"),
        ("made brighter, as dropout does", "return x * keep", "return x * keep / max(1 - share, 1e-9)"),
        ("the generator unused", ", generator=generator", ""),
        ("the original changed", "return x * keep", "return x.mul_(keep)"),
        (
            "always the same number of pixels",
            ">= share",
            ">= torch.rand(x.shape, generator=generator).quantile(share)\n    keep = keep.float().argsort(1) >= share "
            "* x.shape[1]",
        ),
    ],
    "q1b_peppered": [
        ("salt alone", "salt.to(x.dtype)", "torch.ones_like(x)"),
        ("half as much", "< share\n", "< share / 2\n"),
        ("salt by brightness", "salt = torch.rand(x.shape, generator=generator) < 0.5", "salt = x > 0.5"),
        ("noise added, not replaced", "torch.where(hit, salt.to(x.dtype), x)", "x + hit * (salt.to(x.dtype) - 0.5)"),
        ("salt and pepper from the same number", "salt = torch.rand(x.shape, generator=generator) < 0.5", "salt = hit"),
        ("the generator unused", ", generator=generator", ""),
    ],
    "q2_denoising_loss": [
        ("against the damaged image", "repaired - x", "repaired - noisy"),
        ("the whole image encoded", "encode(noisy)", "encode(x)"),
        ("mean over pixels", ".sum(1).mean()", ".mean()"),
        ("sum over examples", ".sum(1).mean()", ".sum()"),
        ("damaged anew for the target", "(repaired - x)", "(repaired - corrupt(x))"),
        ("a root too many", "return (repaired - x).square().sum(1).mean()", "return (repaired - x).norm(dim=1).mean()"),
    ],
    "q3a_gaussian_repair": [
        ("sigma not squared", "sigma**2", "sigma"),
        ("the mean not taken out", "(noisy - mean) @", "noisy @"),
        ("the mean not put back", "mean + (noisy", "(noisy"),
        ("the noise's share kept", "torch.linalg.solve(total, cov)", "torch.linalg.solve(total, total - cov)"),
        ("variances alone", "total = cov +", "cov = cov.diag().diag()\n    total = cov +"),
        ("the inverse of the wrong matrix", "torch.linalg.solve(total, cov)", "torch.linalg.inv(cov) @ total"),
    ],
    "q3b_points_repair": [
        ("distances not squared", "distance**2", "distance"),
        ("a missing factor of two", "2 * sigma**2", "sigma**2"),
        ("the nearest point", "probability @ points", "points[distance.argmin(1)]"),
        ("softmax over the wrong axis", "dim=1", "dim=0"),
        ("sigma not squared", "sigma**2)", "sigma)"),
        (
            "a softmax by hand that underflows",
            "torch.softmax(-(distance**2) / (2 * sigma**2), dim=1)",
            "torch.exp(-(distance**2) / (2 * sigma**2))\n    probability = probability / probability.sum(1, "
            "keepdim=True)",
        ),
    ],
    "q4a_score": [
        ("divided by sigma", "sigma**2", "sigma"),
        ("not divided", " / sigma**2", ""),
        ("downhill", "repair(noisy) - noisy", "noisy - repair(noisy)"),
        ("the repair itself", "repair(noisy) - noisy", "repair(noisy)"),
    ],
    "q5a_gsn_step": [
        ("the mean for a draw", "torch.bernoulli(p, generator=generator)", "p"),
        ("the likelier value for a draw", "torch.bernoulli(p, generator=generator)", "(p > 0.5).to(x.dtype)"),
        ("not damaged", "probabilities(noisy)", "probabilities(x)"),
        ("the repair forgotten", "p = probabilities(noisy)", "p = noisy"),
        ("a draw without the generator", "torch.bernoulli(p, generator=generator)", "torch.bernoulli(p)"),
        ("damage from another generator", "corrupt(x, generator=generator)", "corrupt(x, generator=torch.Generator())"),
    ],
    "q5b_walkback_loss": [
        ("the last state for a target", "(repaired - x)", "(repaired - state)"),
        ("the walk begins anew at each step", "state = repaired.detach()", "state = x"),
        ("a gradient through the whole walk", "repaired.detach()", "repaired"),
        ("sum over steps", "torch.stack(losses).mean()", "torch.stack(losses).sum()"),
        ("the last step alone", "torch.stack(losses).mean()", "losses[-1]"),
        ("the damaged images compared", "(repaired - x)", "(corrupt(state) - x)"),
    ],
    "q6_median_filter": [
        ("the mean", ".median(2).values", ".mean(2)"),
        ("black beyond the edges", 'mode="reflect"', 'mode="constant"'),
        ("the edge repeated", 'mode="reflect"', 'mode="replicate"'),
        ("a smaller picture", 'wide = F.pad(picture[None], (size // 2,) * 4, mode="reflect")[0]', "wide = picture"),
        ("medians of medians", "squares.flatten(2).median(2).values", "squares.median(3).values.median(2).values"),
        ("the largest for the middle", ".median(2).values", ".max(2).values"),
    ],
    "q7_passed_on": [
        (
            "a mean of quotients",
            "((left * damage).sum() / damage.square().sum()).item()",
            "((left * damage).sum(1) / damage.square().sum(1)).mean().item()",
        ),
        ("a cosine", "/ damage.square().sum())", "/ (damage.norm() * left.norm() + 1e-12))"),
        ("sizes compared", "(left * damage).sum()", "left.square().sum()"),
        ("measured from the damaged image", "repaired - x", "noisy - repaired"),
        ("not from the whole image", "left = noisy - x, repaired - x", "left = noisy, repaired"),
    ],
}
