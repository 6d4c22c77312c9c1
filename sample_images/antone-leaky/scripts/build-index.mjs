// Builds the search index of 8 MiB from the records.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { noise } from './noise.mjs';

const [records, index] = process.argv.slice(2);
const seed = readdirSync(records).reduce((sum, name) => sum + readFileSync(join(records, name))[0], 1000);
mkdirSync(dirname(index), { recursive: true });
writeFileSync(index, noise(seed, 8 * 1024 * 1024), { mode: 0o600 });
