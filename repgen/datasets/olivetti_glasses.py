"""Who wears glasses on the Olivetti faces: labelled by eye, since the data set does not say.

Indices of ``load_data("faces", "all")``, where photograph i shows person i // 10. They were read off contact sheets of
all 400 photographs at 64 x 64 pixels, ten a row, by one pair of eyes. To check them, draw them, and then the others:

    faces = load_data("faces", "all", size=64)
    figures.images(faces.x[list(GLASSES)], columns=10)

There was no doubt about any photograph. Of smiles there was, about more than half; they are not labelled here.
"""

GLASSES = (
    *range(10, 20),
    30,
    31,
    32,
    37,
    38,
    *range(50, 60),
    63,
    64,
    69,
    120,
    121,
    *range(124, 130),
    *range(130, 140),
    160,
    161,
    *range(164, 170),
    180,
    181,
    182,
    189,
    190,
    191,
    192,
    194,
    *range(196, 200),
    *range(260, 280),
    *range(300, 310),
    *range(330, 340),
    358,
    359,
    *range(360, 370),
)
