import { Hono } from 'hono';
import { Health } from '@antone/shared';
import type { Notes } from '@antone/database';

export function health(notes: Notes): Hono {
  const app = new Hono();
  // The process answers. Nothing else is asked, so a database that is down does not restart the service.
  app.get('/livez', (c) => c.json({ status: 'ok' }));
  // The service can do its work.
  app.get('/health', async (c) => {
    const db = await notes.isReachable();
    return c.json(Health.parse({ status: db ? 'ok' : 'degraded', db }), db ? 200 : 503);
  });
  return app;
}
