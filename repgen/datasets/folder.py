"""A folder of one's own pictures as a tensor."""

import os
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torchvision.datasets.folder import IMG_EXTENSIONS
from torchvision.transforms.v2 import functional as F

from repgen.datasets.download import DataError

SUFFIXES = (*IMG_EXTENSIONS, ".gif")


def list_pictures(folder: Path) -> tuple[list[Path], list[int] | None, tuple[str, ...]]:
    """The pictures in a folder, sorted by path, the label of each or None, and the names of the labels.

    Where they lie in subfolders, each of these is a class, with all that is below it. Hidden files and other kinds of
    files are passed over. Raises DataError for none, and where some lie in subfolders and some do not.
    """
    if not folder.is_dir():
        raise DataError(
            f"{folder} is {'not a folder' if folder.exists() else 'missing'}; name the folder of your pictures"
        )
    found = []
    for place, folders, files in os.walk(folder):
        # what a Mac puts into its zips
        folders[:] = [name for name in folders if name[0] != "." and name != "__MACOSX"]
        found += [Path(place, name) for name in files if name[0] != "." and name.lower().endswith(SUFFIXES)]
    if not found:
        raise DataError(
            f"there is no picture in {folder}, nor in folders in it: no file whose name ends in {', '.join(SUFFIXES)}"
        )
    found.sort(key=lambda path: path.relative_to(folder).parts)
    direct = [path for path in found if path.parent == folder]
    if len(direct) == len(found):
        return found, None, ()
    if direct:
        raise DataError(
            f"{folder} holds {len(direct)} pictures itself and {len(found) - len(direct)} in folders, which would be "
            f"classes; "
            f"put {direct[0].name} and its like into a folder, too"
        )
    names = [path.relative_to(folder).parts[0] for path in found]
    classes = tuple(sorted(set(names)))
    return found, [classes.index(name) for name in names], classes


def read_picture(path: Path, size: int, channels: int) -> Tensor:
    """One picture in [0, 1], (channels, size, size): its shorter side made `size` pixels, and the middle cut out.

    Turned as its camera noted; what is transparent becomes white; grey is the luma of ITU-R BT.601.
    Raises DataError that names the file.
    """
    try:
        if not path.is_file():
            raise OSError("it is not a file")
        with warnings.catch_warnings(), Image.open(path) as opened:
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = ImageOps.exif_transpose(opened)
            if image.mode[0] in "IF":  # more than 8 bits: PIL's own conversion would cut them off
                x = torch.from_numpy(np.array(image, np.float64)) / 65535
                if image.mode == "F" or x.min() < 0 or x.max() > 1:
                    raise ValueError(
                        f"its pixels are of mode {image.mode}, of no known range; save it with 8 or 16 bits"
                    )
                x = x.float().expand(channels, -1, -1)
            else:
                if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
                    image = image.convert("RGBA")
                    image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
                x = F.pil_to_tensor(image.convert("RGB" if channels == 3 else "L")) / 255
            return F.center_crop(F.resize(x, [size], antialias=True), [size, size]).clamp(0, 1)
    except Exception as error:  # a decoder of damaged bytes raises anything
        raise DataError(
            f"{path} cannot be read as a picture ({' '.join(str(error).split())}); mend it or take it away"
        ) from error
