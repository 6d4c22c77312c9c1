/** `size` bytes from a xorshift generator: the same for the same seed. */
export function noise(seed, size) {
  const words = new Uint32Array(size / 4);
  let state = (seed * 0x9e3779b1) >>> 0 || 1;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state >>> 0;
  }
  return Buffer.from(words.buffer);
}
