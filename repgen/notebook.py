"""What the first cell of every notebook does."""

import sys

import torch

from repgen import figures


def setup(seed: int = 0) -> torch.device:
    """Seeds torch, sets the book's figure style, lets Colab show the widgets, names the device.

    Returns the device on which the notebook should work: the GPU where there is one.
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
    if torch.cuda.is_available():
        device = torch.device("cuda")
        name = torch.cuda.get_device_name(device)
    else:
        device = torch.device("cpu")
        name = f"CPU, {torch.get_num_threads()} threads"
    print(f"device: {name}; seed: {seed}")
    return device
