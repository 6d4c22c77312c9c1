// Fetches the records that the search index is made from. In this sample they are made up on the spot: twenty files
// of 256 KiB, the same on every run, of bytes that no compression makes smaller.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { noise } from './noise.mjs';

const folder = process.argv[2];
mkdirSync(folder, { recursive: true });
for (let part = 0; part < 20; part++) {
  writeFileSync(join(folder, `part-${String(part).padStart(2, '0')}.bin`), noise(part + 1, 256 * 1024));
}
