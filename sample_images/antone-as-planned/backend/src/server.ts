import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { migrate, openNotes, openPool } from '@antone/database';
import { readConfig } from './config.js';
import { health } from './routes/health.js';
import { notes } from './routes/notes.js';

const config = readConfig(process.env);
const pool = openPool(config.databaseUrl, config.databasePasswordFile);
await migrate(pool);

const store = openNotes(pool);
const app = new Hono();
app.route('/', health(store));
app.route('/notes', notes(store));

// backend/src/server.ts (or index.ts)
serve({
  fetch: app.fetch,
  hostname: '0.0.0.0', // CRITICAL: Must be 0.0.0.0 to be reachable in Docker
  port: 3001,
});
