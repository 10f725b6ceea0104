"""What the first cell of every notebook does."""

import os
import sys

import torch

from repgen import figures


def setup(seed: int = 0) -> torch.device:
    """Seeds torch, sets the book's figure style, lets Colab show the widgets, names the device.

    Returns the device on which the notebook should work: that of the environment variable
    REPGEN_DEVICE ("mps", say, for an Apple GPU, which has no float64), else a CUDA GPU where there is
    one, else the CPU.
    """
    torch.manual_seed(seed)
    figures.style()
    if "IPython" in sys.modules:
        from IPython import get_ipython

        if shell := get_ipython():
            shell.run_line_magic("config", "InlineBackend.figure_formats = ['png']")
            shell.run_line_magic("config", "InlineBackend.print_figure_kwargs = {'dpi': 160}")
    if "google.colab" in sys.modules:
        from google.colab import output

        output.enable_custom_widget_manager()
    device = torch.device(os.environ.get("REPGEN_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu"))
    named = {"cuda": torch.cuda.get_device_name, "cpu": lambda _: f"CPU, {torch.get_num_threads()} threads"}
    name = named.get(device.type, str)(device)
    print(f"device: {name}; seed: {seed}")
    return device
