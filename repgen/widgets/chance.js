// Chance that is the same in every browser.

/** Uniform numbers in [0, 1) from a 32-bit seed, the same in every browser (mulberry32). */
function randomFrom(seed) {
  return () => {
    let a = (seed = (seed + 0x6d2b79f5) | 0);
    a = Math.imul(a ^ (a >>> 15), a | 1);
    a ^= a + Math.imul(a ^ (a >>> 7), a | 61);
    return ((a ^ (a >>> 14)) >>> 0) / 4294967296;
  };
}
