export { migrate } from './migrate.js';
export { openNotes, type Notes } from './notes.js';
export { openPool } from './pool.js';
