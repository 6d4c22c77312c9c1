import { Hono } from 'hono';
import type { Notes } from '@antone/database';
import { health } from './routes/health.js';
import { notes } from './routes/notes.js';

/** The whole HTTP interface, with what it needs given to it, so that a test needs neither a port nor a database. */
export function createApp(services: { notes: Notes }): Hono {
  const app = new Hono();
  app.route('/', health(services.notes));
  app.route('/notes', notes(services.notes));
  app.notFound((c) => c.json({ error: 'not found' }, 404));
  app.onError((error, c) => {
    console.error(error);
    return c.json({ error: 'internal error' }, 500);
  });
  return app;
}
