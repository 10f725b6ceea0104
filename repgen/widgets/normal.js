// Normal numbers from uniform ones.

/** Draws of N(0, 1) from a function that draws uniform numbers in [0, 1) (Box & Muller 1958). */
const normalFrom = (random) => () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
