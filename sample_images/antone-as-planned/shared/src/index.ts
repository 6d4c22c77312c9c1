export { Health } from './health.js';
export { NewNote, Note } from './note.js';
